#!/usr/bin/env node
/**
 * The last line of `.ci/run`: `N passed, N failed, N skipped`, from vitest's JSON reports. A test file that could not even
 * be loaded has no tests to count and is counted as one failure; so is a report that was never written.
 */

import { existsSync, readFileSync } from 'node:fs';
import { REPORTS } from './reports.mjs';
import { ROOT } from './run.mjs';

function count(file) {
  if (!existsSync(file)) return { passed: 0, failed: 1, skipped: 0 };
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const unloaded = report.testResults.filter(
    (one) => one.status === 'failed' && one.assertionResults.every((test) => test.status !== 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloaded.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

const counts = Object.values(REPORTS).map((report) => count(`${ROOT}/${report}`));
const sum = (of) => counts.reduce((total, one) => total + one[of], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
