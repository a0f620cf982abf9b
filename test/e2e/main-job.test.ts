/**
 * The main job, for real: an attacker who guesses passwords on one server is refused by its friend, and by the
 * friend's friend once a second server confirms it. Real sshd, fail2ban and nftables, each node a process of its own.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Status, Why } from '../../src/control/api.ts'
import { createLab, LAB_COMMANDS, MAX_RETRY, type Lab, type LabNode } from '../support/lab.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'

/** alice and dave are friends of bob, bob is a friend of carol: carol hears of alice and dave through bob alone. */
const FRIENDS = {
  alice: { bob: 80 },
  bob: { alice: 80, carol: 80, dave: 80 },
  carol: { bob: 80 },
  dave: { bob: 80 }
}

type Family = 'ipv4' | 'ipv6'

const HANDOFFS = [
  {
    way: 'the watched log',
    handoff: ({ bansLog }: { bansLog: string }) => ({ log: { path: bansLog } }),
    // A log can't take a ban back: fail2ban ends it with the ban time of its jail.
    unbans: false,
    meshJail: { bantime: 5 }
  },
  {
    way: 'fail2ban-client',
    handoff: ({ fail2banSocket }: { fail2banSocket: string }) => ({
      log: false,
      fail2ban: { enabled: true, socket: fail2banSocket, direct: false }
    }),
    unbans: true,
    meshJail: {}
  },
  {
    way: "fail2ban's socket",
    handoff: ({ fail2banSocket }: { fail2banSocket: string }) => ({
      log: false,
      fail2ban: { enabled: true, socket: fail2banSocket }
    }),
    unbans: true,
    meshJail: {}
  },
  {
    way: 'nftables, and fail2ban keeps the books',
    handoff: ({ fail2banSocket }: { fail2banSocket: string }) => ({
      log: false,
      nftables: { enabled: true },
      fail2ban: { enabled: true, socket: fail2banSocket }
    }),
    unbans: true,
    meshJail: { action: '' }
  }
]

const skip = requires({ root: true, commands: LAB_COMMANDS })

for (const { way, handoff, meshJail, unbans } of HANDOFFS) {
  test(`a ban on one server blocks the attacker on its friend, handed over by ${way}`, { skip }, async (t) => {
    const lab = await createLab(t, { friends: FRIENDS, handoff, meshJail })
    await lab.explained(() => Promise.all(Object.values(lab.nodes).map(connected)))
    for (const family of ['ipv4', 'ipv6'] as const) {
      await t.test(`an attacker with an ${family} address`, () =>
        lab.explained(async () => t.diagnostic(`${way}, ${family}: ${await mainJob(lab, family, unbans)}`))
      )
    }
  })
}

/** The whole story; returns the line of times. `unbans`: a lift reaches the friends' firewalls at once. */
async function mainJob(lab: Lab<keyof typeof FRIENDS>, family: Family, unbans: boolean): Promise<string> {
  const { alice, bob, carol, dave } = lab.nodes
  const { connect, guess, address } = attackerOf(lab, family)
  const opens = (node: LabNode): Promise<unknown> =>
    until(async () => (await connect(node)) === 'open', `${node.name} to let the attacker in`, 20_000)
  const refuses = (node: LabNode): Promise<unknown> =>
    until(async () => (await connect(node)) === 'refused', `${node.name} to refuse the attacker`)
  const why = (node: LabNode): Promise<Why> => node.banmesh.json<Why>('why', address)
  const poll = (node: LabNode): Promise<Why> => node.banmesh.get<Why>(`/v1/why/${encodeURIComponent(address)}`)
  const letsGo = async (node: LabNode): Promise<void> => {
    await until(async () => !(await poll(node)).accepted, `${node.name} to change its verdict`)
    await opens(node)
  }

  for (const node of [alice, bob, carol, dave]) assert.equal(await connect(node), 'open', node.name)

  const verdict = until(async () => (await poll(bob)).accepted && Date.now(), 'bob to accept the ban')
  const [verdictAt] = await Promise.all([verdict, guess(alice)])
  await refuses(bob)
  const blockedAt = Date.now()
  await refuses(alice)
  assert.deepEqual(bob.sshd.refusals(address), [], 'bob was never attacked')

  await until(async () => (await poll(carol)).score === 64, 'carol to hear of the ban')
  assert.partialDeepStrictEqual(await why(carol), { subject: address, score: 64, threshold: 80, accepted: false })
  assert.equal(await connect(carol), 'open', 'carol holds the ban')
  assert.equal(await connect(dave), 'open', 'dave holds the ban')

  await guess(dave)
  await refuses(carol)
  assert.partialDeepStrictEqual(await why(carol), { score: 80, accepted: true })
  await refuses(dave)

  await unban(alice, address)
  await letsGo(carol)
  assert.partialDeepStrictEqual(await why(carol), { score: 64 })
  assert.partialDeepStrictEqual(await why(bob), { score: 80, accepted: true }, 'dave still vouches for the ban')
  if (unbans) assert.equal(await connect(bob), 'refused')
  await opens(alice)

  await unban(dave, address)
  await letsGo(bob)
  await opens(dave)
  for (const node of [alice, bob, carol, dave]) {
    await until(async () => (await poll(node)).score === 0, `${node.name} to forget the ban`)
  }

  const startedAt = alice.sshd.refusals(address)[0]!.at
  const bannedAt = alice.fail2ban.bannedAt('sshd', address)!
  return [
    `first wrong password -> ban on A ${bannedAt - startedAt} ms`,
    `-> verdict on B ${verdictAt - bannedAt} ms`,
    `-> blocked on B ${blockedAt - verdictAt} ms`,
    `= ${blockedAt - startedAt} ms`
  ].join(' ')
}

function attackerOf({ attacker }: Lab<string>, family: Family) {
  return {
    address: attacker.addresses[family],
    connect: (node: LabNode) => attacker.connect(node.addresses[family]),
    guess: (node: LabNode) => attacker.guessPasswords(node.addresses[family], MAX_RETRY)
  }
}

async function connected({ name, banmesh }: LabNode): Promise<void> {
  await until(async () => {
    const { friends } = await banmesh.get<Status>('/v1/status')
    return friends.connected === friends.total
  }, `${name} to be connected with its friends`)
}

/** What an administrator does by hand. */
async function unban({ fail2ban }: LabNode, address: string): Promise<void> {
  assert.equal((await fail2ban.client('set', 'sshd', 'unbanip', address)).stdout.trim(), '1')
}
