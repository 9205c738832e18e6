/** Rules of udev that would rename weft's links, or run a program for each of them. */
import type { Check } from './checks.ts';

/** Beginnings of the names that weft's links have in the host's namespace. */
const OURS = ['wu0', 'wc0'];
/** What a virtual link does not have, or not by its own: a rule that asks for one of these is about others. */
const NARROWING =
  /^(ATTR\{(address|type|dev_id|device\/.*|ifindex)\}|ATTRS\{.*\}|DRIVERS|SUBSYSTEMS|KERNELS|ENV\{ID_.*\})$/;
const TERM = /([A-Z]+(?:\{[^}]*\})?)\s*(==|!=|\+=|:=|=)\s*"((?:[^"\\]|\\.)*)"/g;

export const checkUdev: Check = ({ facts: { udevRules } }) =>
  udevRules.flatMap(({ file, rule }) => {
    const does = meddles(rule);
    if (does === undefined) return [];
    const evidence = `it ${does} every link that appears, weft's among them (wu*, wc*): ${rule.slice(0, 120)}`;
    const command = `add KERNEL!="w[cu]*" to the rule in ${file}, then: udevadm control --reload`;
    return [{ code: 'udev-rule', object: file, evidence, command }];
  });

function meddles(rule: string): string | undefined {
  const terms = [...rule.matchAll(TERM)].map(([, key = '', operator = '', value = '']) => ({ key, operator, value }));
  if (!terms.some(({ key, operator, value }) => key === 'SUBSYSTEM' && operator === '==' && value === 'net'))
    return undefined;
  const others = terms.some(({ key, operator, value }) => {
    if (key === 'ACTION') return operator === '==' && !value.split('|').some((one) => one === 'add' || one === '*');
    if (key === 'KERNEL' || key === 'NAME') return operator === '==' ? !fits(value) : operator === '!=' && fits(value);
    return operator === '==' && NARROWING.test(key);
  });
  if (others) return undefined;
  const sets = (wanted: string) =>
    terms.some(({ key, operator }) => key === wanted && operator !== '==' && operator !== '!=');
  if (sets('NAME')) return 'renames';
  return sets('RUN') || sets('RUN{program}') ? 'runs a program for' : undefined;
}

/** One of the patterns is that of a link of ours. */
function fits(patterns: string): boolean {
  return patterns.split('|').some((pattern) => {
    const text = pattern
      .replace(/[.+^$(){}\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    return OURS.some(
      (name) => new RegExp(`^${text}$`).test(name) || new RegExp(`^${text}$`).test(`${name}abcdefghijk`),
    );
  });
}
