import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FriendView } from '../../src/control/api.ts'
import { lockOf } from '../../src/daemon/config-file.ts'
import { fingerprint } from '../../src/daemon/fingerprint.ts'
import { createPeer } from '../support/peers.ts'
import { createShell, LOOPBACK, pretendDaemon, type Shell } from './shell.ts'

const ALICE = createPeer().id
const BOB = createPeer().id
const CAROL = createPeer().id
const LATER = '; it takes effect when the daemon starts'

const FILE = `# whom I trust
network: test
control: ./control.sock
dataDir: .
friends: []      # nobody yet
web: false       # not needed
`

/** What `friend add` says. */
function saysAdded(what: string, id: string): string {
  return `added ${what}
fingerprint: ${fingerprint(id)}
compare it by voice with what banmesh id shows there; your friend has to add this node too`
}

async function done(shell: Shell, ...words: string[]): Promise<string> {
  const { exit, stdout, stderr } = await shell.banmesh(...words)
  assert.deepEqual([exit, stderr], [0, ''])
  return stdout.trimEnd()
}

async function refused(shell: Shell, exit: number, message: string, ...words: string[]): Promise<void> {
  const before = shell.read('banmesh.yaml')
  const typed = await shell.banmesh(...words)
  assert.equal(typed.stdout, '')
  assert.equal(typed.stderr.split('\n')[0], `banmesh: error: ${message}`)
  assert.equal(typed.exit, exit)
  assert.equal(shell.read('banmesh.yaml'), before)
}

test('friends are added, changed and removed in the config, whose comments stay', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', FILE)
  assert.equal(
    await done(shell, 'friend', 'add', ALICE, '--name', 'alice'),
    saysAdded(`alice (${ALICE}), trust 80 %${LATER}`, ALICE)
  )
  const address = '/dns4/bob.example/tcp/7337'
  assert.equal(
    await done(shell, 'friend', 'add', `${address}/p2p/${BOB}`, '--trust', '33.3', '--observe'),
    saysAdded(`${BOB}, trust 33.3 %${LATER}`, BOB)
  )
  assert.equal(
    shell.read('banmesh.yaml'),
    FILE.replace(
      'friends: []      # nobody yet\n',
      `friends:      # nobody yet
  - id: ${ALICE}
    name: alice
    trust: 80
    addresses: []
  - id: ${BOB}
    trust: 33.3
    addresses:
      - ${address}
    observe: true
`
    )
  )
  assert.equal(await done(shell, 'friend', 'trust', 'alice', '5'), `trust is 5 % now: alice${LATER}`)
  assert.equal(await done(shell, 'friend', 'pause', 'alice'), `paused alice${LATER}`)
  assert.equal(await done(shell, 'friend', 'resume', ALICE), `resumed ${ALICE}${LATER}`)
  assert.equal(await done(shell, 'friend', 'remove', BOB.slice(-8)), `removed ${BOB.slice(-8)}${LATER}`)
  assert.equal(
    shell.read('banmesh.yaml'),
    FILE.replace(
      'friends: []      # nobody yet\n',
      `friends:      # nobody yet
  - id: ${ALICE}
    paused: false
    name: alice
    trust: 5
    addresses: []
`
    )
  )
})

test('an invite of one side is what the other side adds', async (t) => {
  const shell = createShell(t)
  mkdirSync(join(shell.folder, 'other'))
  for (const folder of ['.', 'other']) {
    await done(shell, 'init', '--dir', join(folder, 'node'))
    const config = { ...LOOPBACK, listen: ['/ip4/127.0.0.1/tcp/7337'] }
    shell.write(join(folder, 'node/banmesh.yaml'), JSON.stringify(config))
  }
  const other = ['--config', 'other/node/banmesh.yaml']
  const { peerId } = (await shell.json(...other, 'id')) as { peerId: string }
  const { stdout, stderr } = await shell.banmesh(...other, 'invite')
  assert.equal(stderr, `fingerprint: ${fingerprint(peerId)}\n`)
  const invite = stdout.trimEnd()
  assert.equal(invite, `banmesh:test:${peerId}@/ip4/127.0.0.1/tcp/7337`)
  assert.deepEqual(await shell.json('--config', 'node/banmesh.yaml', 'friend', 'add', invite, '--name', 'other'), {
    id: peerId,
    name: 'other',
    trust: 80,
    addresses: ['/ip4/127.0.0.1/tcp/7337'],
    observe: false,
    paused: false,
    live: false,
    fingerprint: fingerprint(peerId)
  })
})

test('a friend that can not be one is refused with the reason', async (t) => {
  const shell = createShell(t)
  await done(shell, 'init', '--dir', 'own')
  copyFileSync(join(shell.folder, 'own/identity.key'), join(shell.folder, 'identity.key'))
  shell.write('banmesh.yaml', FILE)
  const own = ((await shell.json('id')) as { peerId: string }).peerId
  await done(shell, 'friend', 'add', ALICE, '--name', 'alice')
  await refused(shell, 4, 'that peer ID is a friend already', 'friend', 'add', ALICE)
  await refused(shell, 4, 'another friend has that name already', 'friend', 'add', BOB, '--name', 'alice')
  await refused(shell, 4, 'that is this node itself', 'friend', 'add', own)
  const invite = `banmesh:other:${BOB}`
  await refused(shell, 4, 'the invite is for the network other, and this node is in test', 'friend', 'add', invite)
  await refused(shell, 2, 'bob does not name a friend', 'friend', 'add', 'bob')
  await refused(shell, 2, `--name must be a name, not a peer ID, not "${ALICE}"`, 'friend', 'add', BOB, '--name', ALICE)
  await refused(shell, 1, 'there is no friend with that peer ID or name', 'friend', 'remove', 'bob')
})

test('a broken entry is warned about, and can be removed', async (t) => {
  const shell = createShell(t)
  shell.write(
    'banmesh.yaml',
    `control: ./control.sock\nfriends:\n  - id: nobody\n  - { id: ${ALICE}, name: x }\n  - { id: ${BOB}, name: x }\n`
  )
  const { exit, stderr } = await shell.banmesh('friend', 'add', createPeer().id)
  assert.equal(exit, 0)
  assert.match(stderr, /^banmesh: warning: .*banmesh\.yaml:3:9: friends\[0\]\.id: must be a peer ID/)
  await refused(shell, 2, 'several friends have that name', 'friend', 'pause', 'x')
  await done(shell, 'friend', 'remove', 'nobody')
  assert.doesNotMatch(shell.read('banmesh.yaml'), /nobody/)
})

test('a broken config is not changed', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', `netwrk: x\nfriends: [{ id: ${ALICE} }]\n`)
  const file = join(shell.folder, 'banmesh.yaml')
  await refused(shell, 2, `${file}:1:1: netwrk: unknown key`, 'friend', 'add', BOB)
  await refused(shell, 2, `${file}:1:1: netwrk: unknown key`, 'friend', 'remove', ALICE)
  await refused(shell, 2, `${file}:1:1: netwrk: unknown key`, 'friend', 'remove', 'who-is-not-there')
  await refused(shell, 2, `${file}:1:1: netwrk: unknown key`, 'allow', 'remove', '192.0.2.1')
})

test('a config that another command is changing is not changed', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', FILE)
  const file = join(shell.folder, 'banmesh.yaml')
  shell.write('banmesh.yaml.new', '')
  const typed = await shell.banmesh('friend', 'add', ALICE)
  const hint = `if none is, remove ${lockOf(file)}`
  assert.deepEqual(typed, {
    exit: 1,
    stdout: '',
    stderr: `banmesh: error: another command is changing ${file}\nbanmesh: hint: ${hint}\n`
  })
})

test('a running daemon takes a change over at once', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', FILE)
  let seen = ''
  await pretendDaemon(t, shell, {
    reload() {
      seen = shell.read('banmesh.yaml')
      return Promise.resolve({ ok: true, value: { needsRestart: [] } })
    }
  })
  assert.equal(await done(shell, 'friend', 'add', ALICE), saysAdded(`${ALICE}, trust 80 %`, ALICE))
  assert.match(seen, new RegExp(ALICE))
  assert.deepEqual(await shell.json('friend', 'trust', ALICE, '1'), { friend: ALICE, live: true })
})

test('what else has changed in the config and takes a restart is said', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', FILE)
  await pretendDaemon(t, shell, {
    reload: () => Promise.resolve({ ok: true, value: { needsRestart: ['listen', 'web'] } })
  })
  assert.deepEqual(await shell.banmesh('friend', 'add', ALICE), {
    exit: 0,
    stdout: `${saysAdded(`${ALICE}, trust 80 %`, ALICE)}\n`,
    stderr: 'banmesh: warning: changed as well, and waiting for a restart of the daemon: listen, web\n'
  })
})

test('a daemon that does not take a change over is told of', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', FILE)
  await pretendDaemon(t, shell, {
    reload: () => Promise.resolve({ ok: false, status: 400, reason: 'bad-config', message: 'one\ntwo' })
  })
  const file = join(shell.folder, 'banmesh.yaml')
  assert.deepEqual(await shell.banmesh('friend', 'add', ALICE), {
    exit: 2,
    stdout: '',
    stderr: [`${file} is changed, but the daemon has not taken it over:`, 'one', 'two', '']
      .map((line) => (line === '' ? '' : `banmesh: error: ${line}`))
      .join('\n')
  })
})

test('banmesh friend list', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', FILE)
  const stats = { reports: 12, accepted: 3, confirmed: 0, disputed: 0, rejected: 1 }
  const view = {
    observe: false,
    paused: false,
    pausedUntil: null,
    waiting: false,
    addresses: [],
    stats,
    suggestedTrust: null
  }
  const now = Math.floor(Date.now() / 1000)
  const friends: FriendView[] = [
    { ...view, id: ALICE, name: 'alice', trust: 80, connected: true, lastSeen: now, rttMs: 12.3 },
    {
      ...view,
      id: BOB,
      name: 'b\u001b[1mob',
      trust: 33.3,
      connected: false,
      lastSeen: now - 7260,
      rttMs: null,
      paused: true,
      stats: { ...stats, confirmed: 40, disputed: 1 },
      suggestedTrust: 85
    },
    { ...view, id: CAROL, name: 'carol', trust: 50, connected: false, waiting: true, lastSeen: null, rttMs: null }
  ]
  await pretendDaemon(t, shell, { friends: () => friends })
  assert.equal(
    await done(shell, 'friend', 'list'),
    `NAME     TRUST   STATE                       SEEN       REPORTS/ACCEPTED/REJECTED  CONFIRMED/DISPUTED  PEER ID
alice    80 %    connected                   12 ms      12/3/1                     0/0                 ${ALICE}
b?[1mob  33.3 %  away, paused                2h 1m ago  12/3/1                     40/1                ${BOB}
carol    50 %    waiting for them to add us  never      12/3/1                     0/0                 ${CAROL}
the record of b?[1mob (40 confirmed, 1 disputed) speaks for a trust of 85 %`
  )
  assert.deepEqual(await shell.json('friend', 'list'), friends)
})
