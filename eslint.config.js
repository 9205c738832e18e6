import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

/**
 * Who may import whom (src/README.md draws it). A folder not listed for another is out of its reach; the message says
 * where the thing wanted belongs.
 */
const FOLDERS = [
  'api',
  'audit',
  'cli',
  'control',
  'doctor',
  'engines',
  'kernel',
  'lab',
  'model',
  'plan',
  'reconcile',
  'store',
  'trust',
];
const MAY_IMPORT = {
  model: [],
  plan: ['model'],
  audit: ['plan', 'model'],
  doctor: ['model'],
  store: ['model'],
  trust: ['model'],
  kernel: ['plan', 'model'],
  reconcile: ['plan', 'model'],
  control: ['reconcile', 'store', 'audit', 'doctor', 'plan', 'model'],
  engines: ['control', 'model'],
  api: ['control', 'model'],
  lab: ['kernel', 'model', 'trust'],
  // of store/ only what `weft store` does without a daemon
  cli: ['api', 'model', 'lab', 'trust', 'store'],
};
const ADVICE = {
  model: 'model/ is pure: move what it needs into model/, or pass it in',
  plan: 'plan/ is pure: it sees the cluster only as model/ types',
  audit: 'audit/ is pure: it compares pictures that control/ has taken',
  doctor: 'doctor/ is pure: it judges facts that kernel/ has gathered',
  store: 'store/ knows keys and values, not their use: that belongs in control/',
  trust: 'trust/ makes keys and certificates from model/ types alone',
  kernel: 'kernel/ observes and applies plan/ objects; decisions belong in plan/ or reconcile/',
  reconcile: 'reconcile/ reaches kernel and store through the ports in its own folder and in plan/',
  control: 'control/ reaches the store through store/port.ts and the kernel through reconcile/port.ts',
  engines: 'an engine translates to one call of control/port.ts; it knows no other engine',
  api: 'api/ translates to control/port.ts',
  lab: 'lab/ raises hosts; what a daemon does belongs in the daemon',
  cli: 'the command line talks to the daemon through api/client.ts',
};

const importRules = Object.entries(MAY_IMPORT).map(([folder, allowed]) => ({
  files: [`src/${folder}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            group: FOLDERS.filter((other) => other !== folder && !allowed.includes(other)).flatMap((other) => [
              `../${other}/*`,
              `../../${other}/*`,
              `../../../${other}/*`,
            ]),
            message: `${ADVICE[folder]}.`,
          },
          ...(folder === 'kernel'
            ? []
            : [{ group: ['netlink-ts', 'netlink-ts/*'], message: 'Only kernel/ speaks netlink.' }]),
          ...(folder === 'store' ? [] : [{ group: ['etcd3'], message: 'Only store/ speaks to etcd.' }]),
          ...(folder === 'control'
            ? [{ group: ['../store/*', '!../store/port.ts'], message: 'control/ knows the store by its port only.' }]
            : []),
        ],
      },
    ],
  },
}));

export default tseslint.config(
  { ignores: ['**/dist/', '**/build/', '**/node_modules/', 'src/api/generated/'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['vitest.config.ts'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // `return await work()` of a Promise<void> says whose promise it is
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/no-non-null-assertion': 'error',
      // records are typed by the prefix of their key: `value<Network>(keys.network(id))` names the type once, at the call
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      'max-params': ['error', 4],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ['native/netlink-ts/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['**/src/**'], message: 'netlink-ts stands on its own and knows nothing of weft.' }] },
      ],
    },
  },
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', Buffer: 'readonly', URL: 'readonly' } },
  },
  {
    files: ['test/**/*.ts', 'native/test/**/*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off', 'max-params': 'off' },
  },
  ...importRules,
  {
    files: ['src/engines/docker/network-driver.ts', 'src/engines/docker/ipam-driver.ts'],
    rules: {
      // a rule of its own beside the one of the folder
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['**/engine/*'],
              message: 'dockerd may hold its locks during a call of the plugin: the engine is not asked within one.',
            },
          ],
        },
      ],
    },
  },
);
