import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../../src/core/report.ts'
import type { Subject } from '../../src/core/subject.ts'
import { createAgenda } from '../../src/daemon/agenda.ts'

const [bob, carol] = ['bob', 'carol'] as [PeerId, PeerId]
const some = (name: string, count: number): Subject[] =>
  Array.from({ length: count }, (_, i) => `${name}${i}` as Subject)

function setUp(claims = 1) {
  const clock = { now: 0 }
  const judged: Subject[] = []
  const cost = { claims }
  const agenda = createAgenda({
    now: () => clock.now,
    review(subject) {
      judged.push(subject)
      return cost.claims
    }
  })
  /** What one turn judges that is over after so many looks at the clock. */
  function turn(looks = Infinity, own: Subject[] = []): Subject[] {
    let looked = 0
    if (own.length > 0) void agenda.own(own)
    agenda.judge(() => ++looked >= looks)
    agenda.committed()
    return judged.splice(0)
  }
  return { agenda, clock, cost, judged, turn }
}

test('friends are judged in turn, and what was asked for is one of them', async () => {
  const { agenda, turn } = setUp()
  agenda.add(bob, some('b', 3))
  const asked = agenda.ask(some('a', 2))
  agenda.add(carol, some('c', 1))
  assert.deepEqual(turn(), ['b0', 'a0', 'c0', 'b1', 'a1', 'b2'])
  assert.equal(await asked, true)
  assert.equal(agenda.state(), 'empty')
})

test('however little time a turn has, one of our own subjects and one more are judged', () => {
  const { agenda, turn } = setUp()
  agenda.add(bob, some('b', 3))
  assert.deepEqual(turn(1, some('own', 2)), ['own0', 'b0'])
  assert.equal(agenda.backlog(bob), 2)
  assert.equal(agenda.state(), 'ready')
  assert.deepEqual(turn(3), ['own1', 'b1', 'b2'])
})

test('all that is our own comes before anything else, and whoever said it is told when all of it is judged', async () => {
  const { agenda, turn } = setUp()
  agenda.add(bob, some('b', 1))
  const told: boolean[] = []
  void agenda.own(some('own', 3)).then((judged) => told.push(judged))
  assert.deepEqual(turn(2), ['own0', 'own1', 'b0'])
  await Promise.resolve()
  assert.deepEqual(told, [])
  assert.deepEqual(turn(2), ['own2'])
  await Promise.resolve()
  assert.deepEqual(told, [true])
})

test('of our own, what a rolled back turn judged is judged again, and nobody is told too early', async () => {
  const { agenda, turn, judged } = setUp()
  const own = agenda.own(some('own', 3))
  agenda.judge(() => true)
  agenda.committed()
  agenda.judge(() => true)
  const lost = agenda.own(some('lost', 1))
  agenda.rolledBack()
  assert.equal(await lost, false)
  judged.splice(0)
  assert.deepEqual(turn().sort(), ['own1', 'own2'])
  assert.equal(await own, true)
  assert.equal(agenda.state(), 'empty')
})

test('what a friend has changed is judged again after a rollback, on whosever account it was judged', async () => {
  const { agenda, turn, judged } = setUp()
  const asked = agenda.ask(some('b', 1))
  agenda.add(bob, some('b', 2))
  void agenda.own(['b1' as Subject])
  agenda.judge(() => false)
  agenda.rolledBack()
  assert.equal(await asked, false)
  judged.splice(0)
  assert.deepEqual(turn().sort(), ['b0', 'b1'])
})

test('a turn without a clock looks at so many claims, and at one subject more at most', () => {
  const { agenda, turn, cost } = setUp(100)
  agenda.add(bob, some('b', 30))
  assert.equal(turn().length, 20)
  cost.claims = 1
  assert.equal(turn().length, 10)
})

test('a subject that several have changed is judged once', async () => {
  const { agenda, turn } = setUp()
  const [both] = some('x', 1) as [Subject]
  agenda.add(bob, [both])
  agenda.add(carol, [both])
  const asked = agenda.ask([both])
  assert.deepEqual(turn(Infinity, [both]), [both])
  assert.equal(await asked, true)
  assert.equal(agenda.state(), 'empty')
})

test('a subject with many claims rests, is not forgotten meanwhile, and does not count as backlog', () => {
  const { agenda, turn, clock } = setUp(101)
  const heavy = some('h', 1)
  agenda.add(bob, heavy)
  assert.deepEqual(turn(), heavy)
  assert.equal(agenda.state(), 'empty')
  agenda.add(bob, heavy)
  assert.deepEqual([agenda.state(), agenda.backlog(bob)], ['resting', 0])
  clock.now = 999
  assert.deepEqual(turn(), [])
  clock.now = 1000
  assert.deepEqual(turn(), heavy)
  agenda.add(carol, heavy)
  clock.now = -5000
  assert.deepEqual(turn(), heavy, 'the clock was set back')
})

test('what a rolled back turn judged is judged again, and whoever asked for something is told', async () => {
  const { agenda, turn, judged, clock } = setUp(101)
  agenda.add(bob, some('b', 2))
  turn()
  agenda.add(bob, some('b', 1))
  const asked = agenda.ask(some('a', 1))
  agenda.add(carol, some('c', 1))
  void agenda.own(some('b', 1))
  agenda.judge(() => false)
  agenda.rolledBack()
  assert.equal(await asked, false)
  judged.splice(0)
  clock.now = 2000
  assert.deepEqual(turn().sort(), ['b0', 'c0'])
})

test('after stop nobody waits', async () => {
  const { agenda } = setUp()
  const asked = agenda.ask(some('a', 1))
  agenda.stop()
  assert.equal(await asked, false)
})
