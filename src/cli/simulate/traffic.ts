/** What a run costs the mesh. */

/** Bytes of an envelope with one IPv4 claim of jail `sshd`, and of each hop: the test compares with `wire/`. */
export const ENVELOPE_BYTES = 136
export const HOP_BYTES = 40

export interface Traffic {
  reports: number
  messages: number
  bytes: number
  signatureChecks: number
  /** Messages that a rate limit refused. */
  refused: number
  /** By nodes other than the origin. */
  relays: number
  /** Those for a better path. */
  relaysAgain: number
  /** The most relays of one report by one node. */
  mostRelays: number
}

export function createTraffic(): Traffic {
  return {
    reports: 0,
    messages: 0,
    bytes: 0,
    signatureChecks: 0,
    refused: 0,
    relays: 0,
    relaysAgain: 0,
    mostRelays: 0
  }
}

/** Of two parts of a run that do not touch each other. */
export function sumOf(a: Traffic, b: Traffic): Traffic {
  return {
    reports: a.reports + b.reports,
    messages: a.messages + b.messages,
    bytes: a.bytes + b.bytes,
    signatureChecks: a.signatureChecks + b.signatureChecks,
    refused: a.refused + b.refused,
    relays: a.relays + b.relays,
    relaysAgain: a.relaysAgain + b.relaysAgain,
    mostRelays: Math.max(a.mostRelays, b.mostRelays)
  }
}
