import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFairQueue } from '../../src/core/fair-queue.ts'

test('sources are served in turn, and each in its own order', () => {
  const queue = createFairQueue<string, string>()
  for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) queue.push(item[0]!, item, 1)
  const taken = Array.from({ length: 6 }, () => queue.take())
  assert.deepEqual(taken, ['a1', 'b1', 'c1', 'a2', 'c2', 'a3'])
  assert.equal(queue.take(), undefined)
})

test('the load of a source is what it has here, and nothing stays of it afterwards', () => {
  const queue = createFairQueue<string, number>()
  queue.push('a', 1, 10)
  queue.push('a', 2, 5)
  assert.deepEqual(
    [queue.load('a'), queue.load('b'), queue.size()],
    [{ items: 2, weight: 15 }, { items: 0, weight: 0 }, 2]
  )
  queue.take()
  assert.deepEqual(queue.load('a'), { items: 1, weight: 5 })
  queue.take()
  assert.deepEqual([queue.load('a'), queue.size()], [{ items: 0, weight: 0 }, 0])
})

test('a late source waits for one turn of each other, however much they have', () => {
  const queue = createFairQueue<string, string>()
  for (let i = 0; i < 1000; i++) queue.push('flood', 'flood', 1)
  queue.take()
  queue.push('honest', 'honest', 1)
  assert.deepEqual([queue.take(), queue.take()], ['flood', 'honest'])
})

test('a source that is passed over keeps its items and its place', () => {
  const queue = createFairQueue<string, string>()
  for (const item of ['a1', 'b1', 'b2']) queue.push(item[0]!, item, 1)
  const notA = (source: string): boolean => source === 'a'
  assert.deepEqual([queue.take(notA), queue.take(), queue.take(notA), queue.take(notA)], ['b1', 'a1', 'b2', undefined])
  queue.push('a', 'a2', 1)
  assert.deepEqual([queue.take(() => true), queue.size(), queue.take()], [undefined, 1, 'a2'])
})
