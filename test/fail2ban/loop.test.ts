import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { ok, refuse, type Result } from '../../src/core/result.ts'
import { backoffMs, createLoop } from '../../src/fail2ban/loop.ts'
import { manualSchedule } from './schedule.ts'

function workOf(results: readonly Result<number, string>[]) {
  const state = { calls: 0 }
  const work = async (): Promise<Result<number, string>> => results[Math.min(state.calls++, results.length - 1)]!
  return { state, work }
}

test('It works at the start and then after each delay that the work asks for.', async () => {
  const timers = manualSchedule()
  const { state, work } = workOf([ok(100), ok(200)])
  const loop = createLoop({ work, schedule: timers.schedule })
  loop.start()
  loop.start()
  equal(await timers.next(), 100)
  equal(state.calls, 2)
  equal(await timers.next(), 200)
  equal(state.calls, 3)
  await loop.stop()
})

test('A kick works at once, and during work asks for another round.', async () => {
  const timers = manualSchedule()
  const { state, work } = workOf([ok(1000)])
  const loop = createLoop({ work, schedule: timers.schedule })
  loop.start()
  loop.kick()
  loop.kick()
  equal(await timers.next(), 0)
  equal(await timers.peek(), 1000)
  loop.kick()
  equal(state.calls, 3)
  equal(await timers.peek(), 1000)
  equal(timers.open(), 1)
  await loop.stop()
})

test('It backs off while the work fails, is not kicked out of it, says why, and forgets it after a success.', async () => {
  const timers = manualSchedule()
  const { state, work } = workOf([refuse('unreachable'), refuse('timeout'), ok(1000)])
  const loop = createLoop({ work, schedule: timers.schedule })
  loop.start()
  equal(await timers.peek(), 500)
  loop.kick()
  equal(state.calls, 1)
  equal(loop.lastError(), 'unreachable')
  await timers.next()
  equal(await timers.peek(), 1000)
  equal(loop.lastError(), 'timeout')
  await timers.next()
  await timers.peek()
  equal(loop.lastError(), null)
  loop.kick()
  equal(state.calls, 4)
  await loop.stop()
})

test('The back-off doubles up to its bound.', () => {
  deepEqual([1, 2, 3, 4, 5, 6, 7, 1000].map(backoffMs), [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000])
})

test('Stopping waits for the work that is under way, and nothing runs afterwards.', async () => {
  const timers = manualSchedule()
  const order: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const work = async (): Promise<Result<number, string>> => {
    await promise
    order.push('worked')
    return ok(0)
  }
  const loop = createLoop({ work, schedule: timers.schedule })
  loop.start()
  const stopped = loop.stop().then(() => order.push('stopped'))
  resolve()
  await stopped
  loop.kick()
  deepEqual(order, ['worked', 'stopped'])
  equal(timers.open(), 0)
})
