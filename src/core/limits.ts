/**
 * The bounds of protocol version 1. They are part of what nodes agree on (src/wire/PROTOCOL.md), so no configuration
 * changes them; the bounds that an operator may set are in `daemon/config.ts` under `limits`.
 */
export const PROTOCOL_LIMITS = {
  /** Bytes of one envelope. 1,000 IPv6 claims with the longest jail name take about 96 kB; the rest is for hops. */
  envelopeBytes: 128 * 1024,
  /** Claims in one report. */
  claims: 1000,
  /** Hops in one envelope. An operator's `maxHops` may only be lower. */
  hops: 16,
  /** Characters of a jail name. */
  jailLength: 64,
  /** Characters of a network name. */
  networkLength: 64,
  /** The widest IPv4 subject, as a prefix length. */
  minPrefixV4: 24,
  /** The widest IPv6 subject, as a prefix length. */
  minPrefixV6: 48,
  /** Failures that a claim may state; a higher count is capped by its origin. */
  failures: 1_000_000,
  /** Seconds from a report's `issuedAt` to the `until` of any of its claims. */
  ttlSeconds: 366 * 24 * 3600,
  /** Milliseconds by which `issuedAt` may be ahead of the receiver's clock. */
  clockSkewMs: 10 * 60 * 1000
} as const

export const JAIL_NAME = /^[A-Za-z0-9_.-]{1,64}$/
export const NETWORK_NAME = /^[A-Za-z0-9_.-]{1,64}$/
