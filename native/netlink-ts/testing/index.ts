export { FakeKernel, contented } from './fake-kernel.ts';
export type { Handler } from './fake-kernel.ts';
export { checkRequest } from './check.ts';
export type { ExpectedRequest } from './check.ts';
export { acknowledge, answer, error, garbage, interruptedDump, multipart, overrun, refuseSend } from './replies.ts';
export type { ErrnoName, FakeRequest, Reply } from './replies.ts';
