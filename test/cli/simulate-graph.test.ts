import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createFriendships, parseFriendships, readFriendships, SHAPES } from '../../src/cli/simulate/friendships.ts'
import { degreeOf, distances, graphOf } from '../../src/cli/simulate/graph.ts'
import { createQueue } from '../../src/cli/simulate/queue.ts'
import { createRandom } from '../../src/cli/simulate/random.ts'

test('random numbers depend on every part of the seed, and on nothing else', () => {
  const some = (...seed: number[]) => Array.from({ length: 20 }, createRandom(...seed).next)
  assert.deepEqual(some(1, 2), some(1, 2))
  assert.notDeepEqual(some(1, 2), some(1, 3))
  assert.notDeepEqual(some(1, 2), some(2, 2))
  const many = Array.from({ length: 20_000 }, createRandom(7).next)
  assert.ok(many.every((x) => x >= 0 && x < 1))
  assert.ok(Math.abs(many.reduce((sum, x) => sum + x, 0) / many.length - 0.5) < 0.01)
})

test('distinct draws are distinct, and all that there are if more are asked for', () => {
  const drawn = createRandom(1).distinct(50, 60)
  assert.equal(new Set(drawn).size, 50)
  assert.deepEqual(
    createRandom(1)
      .distinct(50, 3)
      .sort((a, b) => a - b),
    [0, 1, 2]
  )
})

test('a graph has every link once at both ends, and none of a node with itself', () => {
  const link = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 }))
  fc.assert(
    fc.property(fc.array(link, { maxLength: 40 }), (links) => {
      const graph = graphOf(10, links.flat())
      const expected = new Set(links.filter(([a, b]) => a !== b).flatMap(([a, b]) => [`${a} ${b}`, `${b} ${a}`]))
      const found = Array.from(graph.friends, (friend, slot) => `${graph.owners[slot]} ${friend}`)
      assert.deepEqual(found.toSorted(), [...expected].toSorted())
      for (const [slot, mirror] of graph.mirrors.entries()) {
        assert.equal(graph.mirrors[mirror], slot)
        assert.equal(graph.owners[mirror], graph.friends[slot])
        assert.ok(graph.offsets[graph.owners[slot]!]! <= slot && slot < graph.offsets[graph.owners[slot]! + 1]!)
      }
    }),
    { numRuns: 100 }
  )
})

test('distances are counted in links from the nearest source', () => {
  const graph = graphOf(6, [0, 1, 1, 2, 2, 3, 4, 5])
  assert.deepEqual([...distances(graph, [0])], [0, 1, 2, 3, -1, -1])
  assert.deepEqual([...distances(graph, [0, 3, 3])], [0, 1, 1, 0, -1, -1])
})

for (const shape of SHAPES) {
  test(`a ${shape} graph has about the friends asked for, hangs together, and is the same for the same seed`, () => {
    const make = (seed: number) => createFriendships(shape, 500, 8, createRandom(seed))
    const graph = graphOf(500, make(1).links)
    const mean = graph.friends.length / 500
    assert.ok(mean > 6 && mean <= 8.1, `${mean} friends`)
    const reached = distances(graph, [0]).filter((hops) => hops >= 0).length
    assert.ok(reached > 490, `${reached} of 500 reached`)
    assert.deepEqual(make(1), make(1))
    assert.notDeepEqual(make(1), make(2))
  })
}

test('a scale-free graph has hubs, a small world has none', () => {
  const most = (shape: 'scale-free' | 'small-world') => {
    const graph = graphOf(1000, createFriendships(shape, 1000, 8, createRandom(1)).links)
    return Math.max(...Array.from({ length: 1000 }, (_, node) => degreeOf(graph, node)))
  }
  assert.ok(most('scale-free') > 50)
  assert.ok(most('small-world') < 20)
})

test('friendships from a file: names become numbers in their order, comments and further columns are ignored', () => {
  const text = '# friends\nalice bob 80\n\nbob,carol\n% more\ncarol\talice # again\n'
  assert.deepEqual(parseFriendships(text), { ok: true, value: { nodes: 3, links: [0, 1, 1, 2, 2, 0] } })
})

test('a file with a line of one name, without a friendship, or that is not there, is refused with the reason', async () => {
  assert.deepEqual(parseFriendships('a b\nc\n'), { ok: false, reason: 'line 2' })
  assert.deepEqual(parseFriendships('# nothing\n'), { ok: false, reason: 'empty' })
  assert.deepEqual(await readFriendships('/nowhere/at/all'), { ok: false, reason: 'unreadable' })
})

test('messages arrive in the order of time, those of one millisecond in the order of sending', () => {
  const sent = fc.array(fc.tuple(fc.integer({ min: 0, max: 1023 }), fc.nat(9)), { maxLength: 60 })
  fc.assert(
    fc.property(sent, (messages) => {
      const queue = createQueue()
      const arrived: [number, number][] = []
      for (const [i, [delayMs]] of messages.entries()) queue.send(delayMs, 0, i)
      assert.equal(queue.size, messages.length)
      queue.runUntil(Infinity, (_slot, message) => arrived.push([queue.now, message]))
      const expected = messages.map(([delayMs], i): [number, number] => [delayMs, i]).sort(([a], [b]) => a - b)
      assert.deepEqual(arrived, expected)
      assert.equal(queue.size, 0)
    }),
    { numRuns: 100 }
  )
})

test('what is sent on arrival is delivered too, across many turns of the wheel', () => {
  const queue = createQueue()
  const times: number[] = []
  queue.send(3, 0, 9)
  queue.runUntil(Infinity, (slot, left) => {
    times.push(queue.now)
    if (left > 0) queue.send(1000, slot, left - 1)
  })
  assert.deepEqual(
    times,
    Array.from({ length: 10 }, (_, i) => 3 + 1000 * i)
  )
})

test('a run until some moment leaves the rest for later', () => {
  const queue = createQueue()
  const arrived: string[] = []
  const note = (slot: number, message: number) => void arrived.push(`${queue.now}: ${slot} ${message}`)
  queue.send(10, 1, 1)
  queue.send(11, 1, 2)
  queue.runUntil(10, note)
  assert.deepEqual(arrived, ['10: 1 1'])
  queue.send(0, 1, 3)
  queue.runUntil(500, note)
  assert.deepEqual(arrived, ['10: 1 1', '10: 1 3', '11: 1 2'])
  assert.equal(queue.now, 500)
})
