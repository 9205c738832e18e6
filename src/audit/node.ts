/** All that one node can find wrong with itself. Pure. */
import type { Finding } from '../model/finding.ts';
import { auditEngine } from './engine.ts';
import { auditKernel } from './kernel.ts';
import type { NodePicture } from './pictures.ts';
import { auditRecords } from './records.ts';

export function auditNode(picture: NodePicture): Finding[] {
  return [...auditRecords(picture), ...auditEngine(picture), ...auditKernel(picture)];
}
