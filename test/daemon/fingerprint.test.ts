import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../../src/core/report.ts'
import { fingerprint } from '../../src/daemon/fingerprint.ts'
import { createPeer } from '../support/peers.ts'

test('a fingerprint is six groups of five digits, the same for the same ID for ever', () => {
  const id = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5' as PeerId
  assert.equal(fingerprint(id), '98242 04901 48400 31545 79714 12376')
})

test('a thousand IDs have a thousand fingerprints, and no group is constant', () => {
  const all = Array.from({ length: 1000 }, () => fingerprint(createPeer().id))
  assert.equal(new Set(all).size, all.length)
  for (const text of all) assert.match(text, /^\d{5}( \d{5}){5}$/)
  for (let group = 0; group < 6; group++) assert.ok(new Set(all.map((text) => text.split(' ')[group])).size > 900)
})
