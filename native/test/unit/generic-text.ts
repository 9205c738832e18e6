/** Families as `genl ctrl list` prints them. */
import type { GenericFamily } from '../../netlink-ts/generic/control.ts';

export interface PrintedFamily extends Omit<GenericFamily, 'commands' | 'other'> {
  /** the tool prints flags for some commands only */
  commands: number[];
}

export function parseFamilies(text: string): PrintedFamily[] {
  return text.split(/^(?=Name: )/m).flatMap((block) => {
    const head = /^Name: (\S+)\s+ID: (\S+)\s+Version: (\S+)\s+header size: (\d+)\s+max attribs: (\d+)/.exec(block);
    if (!head) return [];
    const [, name = '', id, version, headerLength, maximumAttribute] = head;
    const [commands = '', groups = ''] = block.split('multicast groups:');
    return {
      id: Number(id),
      name,
      version: Number(version),
      headerLength: Number(headerLength),
      maximumAttribute: Number(maximumAttribute),
      commands: [...commands.matchAll(/#\d+:\s+ID-(\w+)/g)].map(([, number]) => Number(number)),
      groups: [...groups.matchAll(/#\d+:\s+ID-(\w+)\s+name: (\S+)/g)].map(([, number, group = '']) => ({
        id: Number(number),
        name: group,
      })),
    };
  });
}

export function printed({ other, commands, ...family }: GenericFamily): PrintedFamily {
  if (other.length > 0) throw new Error(`attributes of ${family.name} that are not known`);
  return { ...family, commands: commands.map(({ id }) => id) };
}
