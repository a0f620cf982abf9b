import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { collectGarbage, createLeisure, LEISURE_MS } from '../../src/daemon/leisure.ts'

/** A look at will, at a process of the given size. */
function idleness() {
  let look = (): void => {}
  let collections = 0
  let checkpoints = 0
  /** The one at which somebody else reads the ledger. */
  const busy = 2
  let pending = 0
  const process = { bytes: 100 }
  const leisure = createLeisure({
    residentBytes: () => process.bytes,
    async collect() {
      collections++
    },
    checkpoint: () => ++checkpoints !== busy,
    schedule(run, delayMs) {
      assert.equal(delayMs, LEISURE_MS)
      look = run
      pending++
      return () => pending--
    }
  })
  leisure.start()
  const looks = (times: number): number => {
    for (let i = 0; i < times; i++) look()
    return collections
  }
  return { leisure, process, looks, pending: () => pending, checkpoints: () => checkpoints }
}

test('memory is given back once, after the start, when a whole round has passed without work', () => {
  const { looks } = idleness()
  assert.equal(looks(1), 0)
  assert.equal(looks(1), 1)
  assert.equal(looks(5), 1)
})

test('while there is work nothing is collected', () => {
  const { leisure, looks } = idleness()
  for (let i = 0; i < 5; i++) {
    leisure.worked()
    assert.equal(looks(1), 0)
  }
  assert.equal(looks(1), 1)
})

test('after a burst it is collected again if the process has grown by more than a quarter', () => {
  const { leisure, process, looks } = idleness()
  assert.equal(looks(3), 1)
  process.bytes = 125
  leisure.worked()
  assert.equal(looks(3), 1)
  process.bytes = 126
  leisure.worked()
  assert.equal(looks(3), 2)
})

test('the log of the ledger is brought into its file once after every piece of work, or as soon as nobody reads it', () => {
  const { leisure, looks, checkpoints } = idleness()
  looks(1)
  assert.equal(checkpoints(), 0)
  looks(5)
  assert.equal(checkpoints(), 1)
  leisure.worked()
  looks(1)
  assert.equal(checkpoints(), 1)
  looks(5)
  assert.equal(checkpoints(), 3)
})

test('what stopped looks no more', () => {
  const { leisure, pending } = idleness()
  assert.equal(pending(), 1)
  leisure.stop()
  assert.equal(pending(), 0)
})

test('garbage is collected for real', async () => {
  const garbage = Array.from({ length: 100 }, (_, i) => new WeakRef({ i }))
  // What was made in this turn of the event loop is kept until its end.
  await nextTurn()
  await collectGarbage()
  assert.ok(garbage.every((reference) => reference.deref() === undefined))
})
