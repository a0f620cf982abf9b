/** Peers with real keys, and envelopes as they would send them. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Claim, Hop, PeerId, Report } from '../../src/core/report.ts'
import { encodeEnvelope, encodeReport } from '../../src/wire/codec.ts'
import { peerIdFromKey } from '../../src/wire/peer-id.ts'
import { signReport } from '../../src/wire/signature.ts'

export const NETWORK = 'test'

export interface Peer {
  readonly id: PeerId
  readonly key: KeyObject
}

export function createPeer(): Peer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const id = peerIdFromKey(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'))!
  return { id, key: privateKey }
}

export interface EnvelopeChange {
  readonly signer?: Peer
  readonly network?: string
  readonly hops?: readonly Hop[]
}

/** The report, signed by its origin unless told otherwise. */
export function seal(origin: Peer, report: Omit<Report, 'origin'>, change: EnvelopeChange = {}): Uint8Array {
  const { signer = origin, network = NETWORK, hops = [] } = change
  const reportBytes = encodeReport({ origin: origin.id, ...report })
  return encodeEnvelope({ reportBytes, signature: signReport(network, signer.key, reportBytes), hops })
}

export function claimOf(subject: string, change: Partial<Claim> = {}): Claim {
  return {
    kind: 'ban',
    subject: subject as Claim['subject'],
    until: 2_000_000_000,
    jail: 'sshd',
    failures: 3,
    ...change
  }
}
