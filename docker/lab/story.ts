/** The story of the lab: what must happen, in which order, and what must not. */
import assert from 'node:assert/strict'
import { until } from '../../test/support/until.ts'
import { between, SERVERS, type Client, type Family, type Places, type Server } from './places.ts'
import type { Timetable } from './timetable.ts'

const INVENTED = 50
/** A silent connection is pinged every 15 s, and given up 15 to 30 s later. */
const NOTICED_TIMEOUT_MS = 90_000

export async function playStory(places: Places, table: Timetable): Promise<void> {
  for (const family of [4, 6] as const) {
    table.title(`brute force over IPv${family}`)
    await bruteForce(places, table, family)
  }
  table.title('a liar')
  await liar(places, table)
  table.title('a partition')
  await partition(places, table)
  table.title('a crash')
  await crash(places, table)
}

/** Alice bans, then dave; what both know reaches carol by bob alone. */
async function bruteForce(places: Places, table: Timetable, family: Family): Promise<void> {
  const attacker = places.address('attacker', family)
  await table.step('all five servers let the attacker connect', () => allOpen(places, 'attacker', family))

  await table.step('alice, attacked, refuses, and so does her friend bob', () =>
    attacked(places, family, 'alice', 'bob')
  )
  assert.equal(await places.wasAttacked('bob', attacker), false, 'bob was never attacked')

  await table.step('carol and dave hold it at 64 %, erin at 51.2 %: open', async () => {
    await Promise.all([
      places.scores('bob', attacker, 80, 'accepted'),
      places.scores('carol', attacker, 64, 'held'),
      places.scores('dave', attacker, 64, 'held'),
      places.scores('erin', attacker, 51.2, 'held')
    ])
    await stayOpen(places, 'attacker', family, ['carol', 'dave', 'erin'])
  })

  await table.step('dave, attacked, refuses; carol is convinced: 80 %', () => attacked(places, family, 'dave', 'carol'))
  assert.equal(await places.wasAttacked('carol', attacker), false, 'carol was never attacked')

  await table.step('erin holds it at 64 %: open', async () => {
    await places.scores('carol', attacker, 80, 'accepted')
    await places.scores('erin', attacker, 64, 'held')
    await stayOpen(places, 'attacker', family, ['erin'])
  })

  await table.step('alice and dave lift it: all let go', async () => {
    await Promise.all([places.unban('alice', attacker), places.unban('dave', attacker)])
    await letGo(places, attacker, family)
  })
}

/** The liar is erin's friend, who trusts it 70 %: nobody may believe more than that, whoever is said to say it. */
async function liar(places: Places, table: Timetable): Promise<void> {
  const visitor = places.address('visitor', 4)
  await table.step(`in the names of ${INVENTED}: erin holds it at 70 %, carol at 56 %, bob at 44.8 %`, async () => {
    await places.liar('lie', visitor, String(INVENTED))
    await everyVote(places, 'erin', visitor)
    const erin = await places.scores('erin', visitor, 70, 'held')
    assert.ok(erin.evidence.every(({ path }) => path[0]?.name === 'liar'))
    await Promise.all([everyVote(places, 'carol', visitor), everyVote(places, 'bob', visitor)])
    await places.scores('carol', visitor, 56, 'held')
    await places.scores('bob', visitor, 44.8, 'held')
  })
  await table.step("in alice's name: erin refuses the signature", async () => {
    await places.liar('forge', 'alice', visitor)
    await until(async () => (await places.status('erin')).refused['bad-signature'] === 1, 'erin to refuse it', 10_000)
    await places.scores('erin', visitor, 70, 'held')
  })
  await table.step('all five servers let the visitor connect', () => stayOpen(places, 'visitor', 4, SERVERS))
}

/** Bob is the only way from alice and dave to carol and erin. */
async function partition(places: Places, table: Timetable): Promise<void> {
  const [v4, v6] = [places.address('attacker', 4), places.address('attacker', 6)]
  await table.step('bob is taken off the network', () => places.compose.disconnect('bob'))
  await table.step('alice, attacked, refuses', () => attacked(places, 4, 'alice'))
  await table.step('erin, attacked, refuses, and so does her friend carol', () => attacked(places, 6, 'erin', 'carol'))
  await table.step('his friends give bob up, and he them', () =>
    until(async () => (await connectedFriends(places)) === 'alice 0 bob 0 carol 1 dave 0', 'that', NOTICED_TIMEOUT_MS)
  )
  await places.scores('carol', v4, 0, 'held')
  await places.scores('alice', v6, 0, 'held')
  await table.step('bob is back: he has heard of both attacks, and tells each half of the other', async () => {
    await places.compose.connect('bob')
    await Promise.all([
      places.scores('bob', v4, 80, 'accepted'),
      places.scores('carol', v4, 64, 'held'),
      places.scores('bob', v6, 64, 'held'),
      places.scores('alice', v6, 51.2, 'held')
    ])
  })
  await table.step('bob refuses what alice banned', async () => {
    await places.knockUntil('attacker', 4, 'bob', 'refused')
  })
}

/** After `partition`, whose bans are live. */
async function crash(places: Places, table: Timetable): Promise<void> {
  const [v4, v6] = [places.address('attacker', 4), places.address('attacker', 6)]
  await table.step('carol is killed', () => places.compose.run(['kill', '--signal', 'KILL', 'carol']))
  await table.step('dave, attacked, refuses', () => attacked(places, 4, 'dave'))
  await table.step('carol is started again, and healthy', () =>
    places.compose.run(['up', '--detach', '--wait', '--no-recreate', 'carol'])
  )
  await table.step('carol refuses what she had heard, and what she missed', async () => {
    await Promise.all([
      places.knockUntil('attacker', 6, 'carol', 'refused'),
      places.knockUntil('attacker', 4, 'carol', 'refused')
    ])
    await Promise.all([places.scores('carol', v6, 80, 'accepted'), places.scores('carol', v4, 80, 'accepted')])
  })
  await table.step('alice, dave and erin lift their bans: all let go', async () => {
    await Promise.all([places.unban('alice', v4), places.unban('dave', v4), places.unban('erin', v6)])
    await Promise.all([letGo(places, v4, 4), letGo(places, v6, 6)])
  })
}

/** Resolves with the times from the first guess on. */
async function attacked(places: Places, family: Family, victim: Server, friend?: Server): Promise<string> {
  const [{ guesses, from, refused }, seen] = await Promise.all([
    places.attack(family, victim),
    friend === undefined ? null : places.knockUntil('attacker', family, friend, 'refused')
  ])
  const times = [`${victim} after ${guesses} guesses, ${between(from, refused)} ms`]
  if (friend !== undefined && seen !== null) times.push(`${friend} ${between(from, seen)} ms after the first guess`)
  return times.join('; ')
}

async function allOpen(places: Places, client: Client, family: Family): Promise<void> {
  await Promise.all(SERVERS.map((server) => places.knockUntil(client, family, server, 'open')))
}

/** At once, without waiting. */
async function stayOpen(places: Places, client: Client, family: Family, servers: readonly Server[]): Promise<void> {
  const results = await Promise.all(servers.map((server) => places.knock(client, family, server)))
  for (const [i, result] of results.entries())
    assert.equal(result, 'open', `${servers[i]} should let ${client} connect`)
}

async function letGo(places: Places, attacker: string, family: Family): Promise<void> {
  await Promise.all(SERVERS.map((server) => places.scores(server, attacker, 0, 'held')))
  await allOpen(places, 'attacker', family)
}

/** What the liar said has arrived in full. */
async function everyVote(places: Places, server: Server, subject: string): Promise<void> {
  const what = `${server} to hear of all ${INVENTED}`
  await until(async () => (await places.why(server, subject)).evidence.length === INVENTED, what)
}

async function connectedFriends(places: Places): Promise<string> {
  const names = ['alice', 'bob', 'carol', 'dave'] as const
  const statuses = await Promise.all(names.map((name) => places.status(name)))
  return statuses.map(({ friends }, i) => `${names[i]} ${friends.connected}`).join(' ')
}
