/**
 * What two friends compare when they sync: a report together with the path by which it is offered, so that a better path
 * is noticed as a difference and a report that is known by the same path is not sent again.
 */
import { createHash } from 'node:crypto'
import type { Hop, ReportId } from '../core/report.ts'
import { peerIdToKey } from './peer-id.ts'

const KEY_BYTES = 16

/** The first 16 bytes of SHA-256(report ID, then for each hop in order of travel: public key, trust as big-endian uint32). */
export function offerKey(reportId: ReportId, hops: readonly Hop[]): Uint8Array {
  const hash = createHash('sha256').update(reportId, 'hex')
  const trust = Buffer.alloc(4)
  for (const hop of hops) {
    trust.writeUInt32BE(hop.trust)
    hash.update(peerIdToKey(hop.peer)).update(trust)
  }
  return new Uint8Array(hash.digest().subarray(0, KEY_BYTES))
}
