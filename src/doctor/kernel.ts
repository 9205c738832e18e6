import type { Check } from './checks.ts';

/** The oldest that weft is tried on: Debian 11's. */
const OLDEST = [5, 10] as const;

export const checkKernel: Check = ({ facts: { release, lackingModules } }) => [
  ...lackingModules.map((name) => ({
    code: 'kernel-feature-missing',
    object: name,
    evidence: `the kernel ${release} has no ${name}, neither loaded nor to be loaded`,
    command: `modprobe ${name}; else install the kernel's modules (linux-image-amd64 rather than -cloud or a minimal one)`,
  })),
  ...(isOlder(release)
    ? [
        {
          code: 'kernel-old',
          object: release,
          evidence: `weft is tried on Linux ${OLDEST.join('.')} and later`,
          command: 'boot a newer kernel',
        },
      ]
    : []),
];

function isOlder(release: string): boolean {
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}
