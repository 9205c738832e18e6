/** What links have counted, without the links themselves: see ../statistics.ts. */
import * as rtm from '../constants.ts';
import { decodeLinkStatistics, encodeStatisticsQuery } from '../statistics.ts';
import type { LinkStatistics } from '../statistics.ts';
import { Section } from './section.ts';
import type { Options } from './section.ts';

export class Statistics extends Section {
  /** Of every link. */
  list(options?: Options): Promise<LinkStatistics[]> {
    const payload = encodeStatisticsQuery({});
    return this.read({ op: 'list statistics', type: rtm.RTM_GETSTATS, payload, decode: decodeLinkStatistics }, options);
  }

  /** Of one link; ENODEV when there is no such link. */
  async get(index: number, options?: Options): Promise<LinkStatistics> {
    const op = `read statistics of link ${index}`;
    const [answer] = await this.send(
      { op, type: rtm.RTM_GETSTATS, payload: encodeStatisticsQuery({ index }) },
      options,
    );
    return answer ? decodeLinkStatistics(answer.payload) : { index, other: [] };
  }
}
