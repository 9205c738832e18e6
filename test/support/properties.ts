import fc from 'fast-check';

/** `npm run test:long` tries a hundred times as many cases of every property that does not say its own number. */
fc.configureGlobal({ numRuns: process.env.WEFT_LONG === undefined ? 100 : 10_000 });
