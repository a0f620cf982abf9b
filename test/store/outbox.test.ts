/** Whose turn it is in the outbox. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Subject } from '../../src/core/subject.ts'
import { openDatabase } from '../../src/store/database.ts'
import { createOutbox, type Outbox } from '../../src/store/outbox.ts'

const ENTRY = { action: 'ban', until: 1763668800, jail: 'sshd', score: 800_000, origins: 1 } as const

function open(t: TestContext): { outbox: Outbox; put: (source: string, ...subjects: string[]) => void } {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-outbox-'))
  const opened = openDatabase(join(folder, 'ledger.db'))
  assert(opened.ok)
  t.after(() => {
    opened.value.close()
    rmSync(folder, { recursive: true })
  })
  const outbox = createOutbox(opened.value)
  return {
    outbox,
    put(source, ...subjects) {
      for (const subject of subjects) outbox.put('log', { ...ENTRY, subject: subject as Subject, source })
    }
  }
}

const many = (name: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${name}${i}`)
const subjectsOf = (entries: readonly { readonly subject: Subject }[]): string[] =>
  entries.map(({ subject }) => subject)

test("one friend's flood delays no other friend's ban, nor our own, by more than a batch", (t) => {
  const { outbox, put } = open(t)
  put('alice', ...many('a', 10_000))
  put('bob', 'b0')
  put('', 'own0')
  const first = outbox.pending('log', 100)
  assert.deepEqual(subjectsOf(first), [...many('a', 98), 'b0', 'own0'])
  outbox.done('log', first)
  assert.deepEqual(subjectsOf(outbox.pending('log', 2)), ['a98', 'a99'])
  assert.equal(outbox.count('log'), 9902)
})

test('sources share a batch, what one does not need is for the others, and each keeps its order', (t) => {
  const { outbox, put } = open(t)
  put('alice', ...many('a', 5))
  put('bob', ...many('b', 5))
  put('carol', 'c0')
  for (const [limit, expected] of [
    [1, ['a0']],
    [3, ['a0', 'b0', 'c0']],
    [4, ['a0', 'a1', 'b0', 'c0']],
    [7, ['a0', 'a1', 'a2', 'b0', 'b1', 'b2', 'c0']],
    [20, [...many('a', 5), ...many('b', 5), 'c0']]
  ] as const) {
    assert.deepEqual(subjectsOf(outbox.pending('log', limit)), expected)
  }
  assert.deepEqual(outbox.pending('fail2ban', 5), [])
  // A newer word goes to the end of its new source.
  put('bob', 'a0')
  assert.deepEqual(subjectsOf(outbox.pending('log', 20)), [...many('a', 5).slice(1), ...many('b', 5), 'c0', 'a0'])
})
