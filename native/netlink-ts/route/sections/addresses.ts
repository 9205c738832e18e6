/** Addresses: see ../address.ts. */
import { decodeAddress, encodeAddress, encodeAddressQuery } from '../address.ts';
import type { AddressSpec, InterfaceAddress } from '../address.ts';
import * as rtm from '../constants.ts';
import { CREATE, REPLACE, Section } from './section.ts';
import type { Options } from './section.ts';

export class Addresses extends Section {
  list(filter: { index?: number; family?: 4 | 6 } = {}, options?: Options): Promise<InterfaceAddress[]> {
    const payload = encodeAddressQuery(filter);
    return this.read({ op: 'list addresses', type: rtm.RTM_GETADDR, payload, decode: decodeAddress }, options);
  }

  async add(spec: AddressSpec, options?: Options): Promise<void> {
    const op = `add address ${spec.address}/${spec.prefix}`;
    await this.send({ op, type: rtm.RTM_NEWADDR, flags: CREATE, payload: encodeAddress(spec) }, options);
  }

  /** Adds it, or changes its lifetime and metric where it stands. */
  async replace(spec: AddressSpec, options?: Options): Promise<void> {
    const op = `replace address ${spec.address}/${spec.prefix}`;
    await this.send({ op, type: rtm.RTM_NEWADDR, flags: REPLACE, payload: encodeAddress(spec) }, options);
  }

  async delete(spec: AddressSpec, options?: Options): Promise<void> {
    const op = `delete address ${spec.address}/${spec.prefix}`;
    await this.send({ op, type: rtm.RTM_DELADDR, payload: encodeAddress(spec) }, options);
  }
}
