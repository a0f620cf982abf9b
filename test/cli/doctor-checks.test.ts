/** What `doctor` makes of what it is told, without the machine around it. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FriendView, Status } from '../../src/control/api.ts'
import type { Check } from '../../src/cli/doctor/check.ts'
import {
  checkAlerts,
  checkEnforcement,
  checkFriends,
  checkHandoffs,
  checkListening,
  checkMode,
  checkSkew
} from '../../src/cli/doctor/daemon-checks.ts'
import { checkKey } from '../../src/cli/doctor/node-checks.ts'
import type { Config } from '../../src/daemon/config.ts'
import { createIdentity } from '../../src/daemon/identity.ts'

function said(checks: Check | readonly Check[]): string[] {
  return [checks]
    .flat()
    .map(({ state, message, run }) => [state, message, ...(run === undefined ? [] : [run])].join(' | '))
}

function status(change: Partial<Status>): Status {
  const nothing = { log: null, fail2ban: null, nftables: null, exec: null }
  return { mode: 'enforce', paused: false, flushed: 0, alerts: [], refused: {}, handoff: nothing, ...change } as Status
}

function friend(change: Partial<FriendView>): FriendView {
  return { name: 'alice', connected: false, paused: false, waiting: false, addresses: [], ...change } as FriendView
}

test('a clock that is off shows in what friends send', () => {
  assert.deepEqual(said(checkSkew(status({}))), ['ok | no friend seems to be ahead of it'])
  assert.deepEqual(said(checkSkew(status({ refused: { future: 3, expired: 1 } }))), [
    'problem | 3 reports came from the future: this clock is behind, or that of a friend is ahead | timedatectl set-ntp true'
  ])
})

test('friends that are away, that have not added us, or are paused', () => {
  const here = friend({ name: 'bob', connected: true })
  for (const [friends, expected] of [
    [[], ['warning | there are none yet']],
    [[here], ['ok | all 1 are connected']],
    [[here, friend({ waiting: true })], ['warning | alice answers, but has not added this node']],
    [[here, friend({})], ['warning | alice is away, and no address is known']],
    [[friend({ addresses: ['/ip4/192.0.2.1/tcp/1'] })], ['problem | alice does not answer on /ip4/192.0.2.1/tcp/1']],
    [[here, friend({ name: "o'x y", paused: true })], ["warning | o'x y is paused | banmesh friend resume 'o'\\''x y'"]]
  ] as const) {
    assert.deepEqual(said(checkFriends(friends)), [...expected])
  }
})

test('a node that does not act: observing, paused, flushed, without a hand-off', () => {
  assert.deepEqual(said(checkMode(status({ mode: 'observe', paused: true, flushed: 2 }))), [
    'warning | this node observes: nothing is banned',
    'warning | paused: nothing new is handed over | banmesh resume',
    'warning | 2 bans of the mesh are flushed | banmesh resume'
  ])
  assert.deepEqual(said(checkHandoffs(status({}))), ['warning | all hand-offs are off: nothing is banned'])
})

test('hand-offs that fail say what mends them', () => {
  const { handoff } = status({})
  const checks = checkHandoffs(
    status({
      handoff: {
        ...handoff,
        log: { pending: 7, lastError: 'disk-full' },
        fail2ban: { pending: 0, lastError: 'unknown-jail' },
        nftables: { pending: 1, lastError: null },
        exec: { pending: 0, lastError: 'never heard of' }
      }
    })
  )
  assert.deepEqual(said(checks), [
    'problem | log fails (disk-full), 7 changes wait',
    'problem | fail2ban fails (unknown-jail), 0 changes wait',
    'ok | nftables is up to date, 1 waiting',
    'problem | exec fails (never heard of), 0 changes wait'
  ])
  assert.match(checks[1]!.fix!, /^fail2ban has no such jail: banmesh install/)
  assert.equal(checks[3]!.fix, "the daemon's log says more")
})

test('a daemon that listens nowhere, and a dashboard that can not', () => {
  const config = { web: { listen: { host: '127.0.0.1', port: 7338 } } } as Config
  assert.deepEqual(said(checkListening(status({ listen: [], web: null }), config)), [
    'problem | the daemon listens nowhere',
    "problem | the dashboard can't listen on 127.0.0.1, port 7338"
  ])
})

test('alerts are repeated', () => {
  const alert = { subject: '198.51.100.7', reason: 'own-address', by: [] } as const
  assert.deepEqual(said(checkAlerts(status({ alerts: [alert] }))), [
    'warning | somebody out there bans 198.51.100.7, an address of this node'
  ])
})

test('bans of the own table that somebody has taken out of the kernel', () => {
  const enforcement = [
    { jail: 'banmesh', listed: 2, enforced: 1 },
    { jail: 'nftables', listed: 3, enforced: 1 }
  ]
  assert.deepEqual(said(checkEnforcement(status({ enforcement }))), [
    'problem | 2 of 3 bans are not in the table of banmesh | systemctl restart banmesh'
  ])
  assert.deepEqual(checkEnforcement(status({ enforcement: [] })), [])
})

test('a key that others may use: what is wrong, what helps, and the command, each once', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'banmesh-key-'))
  t.after(() => rmSync(dataDir, { recursive: true }))
  const file = join(dataDir, 'identity.key')
  createIdentity(file)
  chmodSync(file, 0o644)
  const { message, fix, run } = await checkKey({ dataDir } as Config)
  assert.equal(message, `others may use ${file}, the node's private key`)
  assert.deepEqual([fix, run], ['take the right away', `chmod 600 ${file}`])
})
