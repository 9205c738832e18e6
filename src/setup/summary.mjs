#!/usr/bin/env node
/**
 * The last line of `.ci/run`: `N passed, N failed, N skipped`, from vitest's JSON report. A test file that could not even
 * be loaded has no tests to count and is counted as one failure; so is a report that was never written.
 */

import { existsSync, readFileSync } from 'node:fs';
import { ROOT } from './run.mjs';

const REPORT = `${ROOT}/test/report/vitest.json`;

function count() {
  if (!existsSync(REPORT)) return { passed: 0, failed: 1, skipped: 0 };
  const report = JSON.parse(readFileSync(REPORT, 'utf8'));
  const unloaded = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloaded.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

const { passed, failed, skipped } = count();
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
