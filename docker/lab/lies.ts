/** Reports that are made up: in the names of invented identities, and in the name of somebody else. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { ONE, type PeerId, type Report } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { encodeEnvelope, encodeReport } from '../../src/wire/codec.ts'
import { peerIdFromKey } from '../../src/wire/peer-id.ts'
import { signReport } from '../../src/wire/signature.ts'

const BAN_SECONDS = 600

interface Lie {
  readonly network: string
  /** The liar, who claims to have heard it from the origin, whom it trusts fully. */
  readonly liar: PeerId
  readonly subject: Subject
  /** Unix ms. */
  readonly now: number
}

/** The envelope of a ban by somebody who does not exist. Its signature is good: the key was made for it. */
export function inventedReport(lie: Lie): Uint8Array {
  const { privateKey } = generateKeyPairSync('ed25519')
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' })
  const origin = peerIdFromKey(Buffer.from(x!, 'base64url'))
  if (origin === null) throw new Error('a new key is no peer ID')
  return envelope(lie, origin, privateKey)
}

/** The envelope of a ban by `origin`, which never signed it. */
export function forgedReport(lie: Lie, origin: PeerId): Uint8Array {
  return envelope(lie, origin, generateKeyPairSync('ed25519').privateKey)
}

function envelope({ network, liar, subject, now }: Lie, origin: PeerId, key: KeyObject): Uint8Array {
  const until = Math.floor(now / 1000) + BAN_SECONDS
  const report: Report = {
    origin,
    issuedAt: now,
    claims: [{ kind: 'ban', subject, until, jail: 'sshd', failures: 5 }]
  }
  const reportBytes = encodeReport(report)
  const signature = signReport(network, key, reportBytes)
  return encodeEnvelope({ reportBytes, signature, hops: [{ peer: liar, trust: ONE }] })
}
