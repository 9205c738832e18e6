/** Clocks of other hosts against this one's: certificates, tokens and every time that is shown go by them. Pure. */
import type { Finding } from '../model/finding.ts';

/** What an answer proves of the other's clock, in milliseconds that it is ahead of ours; negative: behind. */
export interface ClockTold {
  /** name */
  node: string;
  least: number;
  most: number;
}

/** Milliseconds. What a host without time synchronisation drifts in a week or so; certificates bear more. */
const BEARABLE = 2_000;

/** `began` and `ended` by the other's clock, within `sent` and `received` by ours. */
export function clockTold(
  node: string,
  { began, ended }: { began: number; ended: number },
  { sent, received }: { sent: number; received: number },
): ClockTold {
  return { node, least: ended - received, most: began - sent };
}

/** `node`: who compared. */
export function checkClocks(node: string, told: readonly ClockTold[]): Finding[] {
  return told.flatMap(({ node: other, least, most }) => {
    if (least <= BEARABLE && most >= -BEARABLE) return [];
    const seconds = (Math.min(Math.abs(least), Math.abs(most)) / 1_000).toFixed(1);
    const evidence = `its clock is ${seconds} s or more ${least > 0 ? 'ahead of' : 'behind'} that of ${node}`;
    const command = `timedatectl, on ${other} and ${node}; where it says "NTP service: inactive": timedatectl set-ntp true`;
    return [{ code: 'clock-offset', node: other, object: `the clock of ${other}`, evidence, command }];
  });
}
