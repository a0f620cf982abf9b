import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Status, VerdictView, Why } from '../../src/control/api.ts'
import { createShell, pretendDaemon, type Shell } from './shell.ts'

/** Far enough from a full hour that the test's own time does not show. */
const IN_HOURS = Math.floor(Date.now() / 1000) + 5.5 * 3600

const VERDICTS: VerdictView[] = [
  { subject: '203.0.113.7', score: 80, accepted: true, until: IN_HOURS, origins: 1, source: 'mesh' },
  { subject: '2001:db8::/64', score: 100, accepted: true, until: IN_HOURS + 86_400, origins: 12, source: 'own' }
]
const HELD: VerdictView = { ...VERDICTS[0]!, subject: '198.51.100.9', score: 64, accepted: false }

async function done(shell: Shell, ...words: string[]): Promise<string> {
  const { exit, stdout, stderr } = await shell.banmesh(...words)
  assert.deepEqual([exit, stderr], [0, ''])
  return stdout.trimEnd().replaceAll(/in 5h \d+m/g, 'in 5h 30m')
}

test('banmesh list, list --all and --json', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', 'control: control.sock')
  await pretendDaemon(t, shell, { verdicts: (all) => (all ? [...VERDICTS, HELD] : VERDICTS) })
  assert.equal(
    await done(shell, 'list'),
    `SUBJECT        SCORE  STATE   ENDS       ORIGINS  SOURCE
203.0.113.7    80 %   banned  in 5h 30m  1        mesh
2001:db8::/64  100 %  banned  in 1d 5h   12       own`
  )
  assert.match(await done(shell, 'list', '--all'), /^198\.51\.100\.9 +64 % +held /m)
  assert.deepEqual(await shell.json('list'), VERDICTS)
  assert.deepEqual(await shell.json('list', '--all'), [...VERDICTS, HELD])
})

test('an empty list says so, and is an empty document', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', 'control: control.sock')
  await pretendDaemon(t, shell, { verdicts: () => [] })
  assert.equal(await done(shell, 'list'), 'nothing is banned')
  assert.equal(await done(shell, 'list', '--all'), 'nobody has said anything')
  assert.deepEqual(await shell.json('list'), [])
})

test('banmesh why', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', 'control: control.sock')
  const why: Why = {
    subject: '203.0.113.7',
    heldBack: null,
    score: 64,
    threshold: 80,
    accepted: false,
    reason: 'under-threshold',
    until: IN_HOURS,
    coveredBy: null,
    evidence: [
      {
        origin: '12D3KooWorigin',
        jail: 'sshd',
        until: IN_HOURS,
        confidence: 64,
        path: [
          { peer: '12D3KooWbob', name: 'bob', trust: 80 },
          { peer: '12D3KooWorigin', name: null, trust: 80 }
        ]
      }
    ]
  }
  await pretendDaemon(t, shell, {
    why: (subject) => (subject === why.subject ? why : { ...why, subject, until: null, evidence: [] })
  })
  assert.equal(
    await done(shell, 'why', '::ffff:203.0.113.7'),
    `203.0.113.7 is not banned here: score 64 %, threshold 80 % (under-threshold), ends in 5h 30m
WEIGHS  JAIL  ENDS       TOLD BY
64 %    sshd  in 5h 30m  bob (80 %) <- 12D3KooWorigin (80 %)`
  )
  assert.match(await done(shell, 'why', '203.0.113.8'), /\nnobody has said anything about it$/)
  assert.deepEqual(await shell.json('why', '203.0.113.7'), why)
})

test('banmesh why names the CIDR that bans an address', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', 'control: control.sock')
  const none = { heldBack: null, score: 0, threshold: 80, accepted: false, reason: 'no-evidence', until: null }
  const whys: Record<string, Partial<Why>> = {
    '203.0.113.7': {},
    '203.0.113.8': { score: 80, accepted: true, reason: 'accepted' },
    '203.0.113.9': { score: 80, accepted: true, reason: 'accepted', heldBack: 'flushed' }
  }
  await pretendDaemon(t, shell, {
    why: (subject) => ({ subject, ...none, coveredBy: '203.0.113.0/24', evidence: [], ...whys[subject] })
  })
  assert.equal(
    await done(shell, 'why', '203.0.113.7'),
    `203.0.113.7 is banned here as part of 203.0.113.0/24; by itself: score 0 %, threshold 80 % (no-evidence)
nobody has said anything about it alone; banmesh why 203.0.113.0/24 says more`
  )
  assert.match(
    await done(shell, 'why', '203.0.113.8'),
    /is banned here, also as part of 203\.0\.113\.0\/24: score 80 %/
  )
  assert.match(
    await done(shell, 'why', '203.0.113.9'),
    /is banned here, also as part of 203\.0\.113\.0\/24, but flushed: not handed over before banmesh resume: score/
  )
})

test('banmesh check answers by its exit code', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', 'control: control.sock')
  await pretendDaemon(t, shell, {
    check: (subject) => ({
      subject,
      banned: subject !== '203.0.113.9',
      by: subject === '203.0.113.9' ? null : '203.0.113.0/28'
    })
  })
  const banned = '203.0.113.7 is banned here, as part of 203.0.113.0/28\n'
  assert.deepEqual(await shell.banmesh('check', '203.0.113.7'), { exit: 0, stdout: banned, stderr: '' })
  const free = '203.0.113.9 is not banned here\n'
  assert.deepEqual(await shell.banmesh('check', '203.0.113.9'), { exit: 1, stdout: free, stderr: '' })
  assert.deepEqual(await shell.banmesh('check', '203.0.113.9', '--json'), {
    exit: 1,
    stdout: '{"subject":"203.0.113.9","banned":false,"by":null}\n',
    stderr: ''
  })
})

test('a refusal of the daemon is exit code 4 with its reason; a failure is 1', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', 'control: control.sock')
  await pretendDaemon(t, shell, {
    ban: (subject) =>
      Promise.resolve(
        subject === '10.0.0.1'
          ? { ok: false, status: 403, reason: 'reserved', message: 'it is private', hint: 'so it is' }
          : { ok: false, status: 500, reason: 'internal-error', message: 'the disk is full' }
      ),
    verdicts() {
      throw new Error('a bug')
    }
  })
  const stderr = 'banmesh: error: it is private\nbanmesh: hint: so it is\n'
  assert.deepEqual(await shell.banmesh('ban', '10.0.0.1'), { exit: 4, stdout: '', stderr })
  assert.deepEqual(await shell.json('ban', '10.0.0.1'), {
    error: { reason: 'reserved', message: 'it is private', hint: 'so it is' }
  })
  assert.deepEqual(await shell.banmesh('ban', '10.0.0.2'), {
    exit: 1,
    stdout: '',
    stderr: 'banmesh: error: the disk is full\n'
  })
  assert.equal((await shell.banmesh('list')).exit, 1)
})

test('without a daemon: exit code 3, and how to start it', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', 'control: control.sock')
  const stderr = [
    `banmesh: error: the daemon does not answer on ${shell.folder}/control.sock (ENOENT)`,
    'banmesh: hint: start it: banmesh run, or systemctl start banmesh',
    ''
  ].join('\n')
  for (const words of [
    ['status'],
    ['list'],
    ['why', '192.0.2.1'],
    ['check', '192.0.2.1'],
    ['ban', '192.0.2.1'],
    ['unban', '192.0.2.1'],
    ['export'],
    ['friend', 'list']
  ]) {
    assert.deepEqual(await shell.banmesh(...words), { exit: 3, stdout: '', stderr }, words[0])
  }
})

test('banmesh status', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', 'control: control.sock')
  const status: Status = {
    peerId: '12D3KooWself',
    version: '1.2.3',
    network: 'test',
    uptimeSeconds: 3700,
    mode: 'observe',
    paused: true,
    listen: ['/ip4/192.0.2.1/tcp/1', '/ip6/2001:db8::1/tcp/1'],
    friends: { total: 3, connected: 2 },
    dht: { enabled: true, peers: 4, protocol: '/banmesh/test/kad/1.0.0' },
    reports: 5,
    claims: 6,
    verdicts: { accepted: 7, held: 8 },
    handoff: { log: { pending: 2, lastError: 'ENOSPC' }, fail2ban: null, nftables: null, exec: null },
    enforcement: [
      { jail: 'banmesh', listed: 12, enforced: 11 },
      { jail: 'nftables', listed: 5, enforced: 5 }
    ],
    flushed: 3,
    alerts: [
      {
        subject: '198.51.100.1',
        reason: 'own-address',
        by: [{ origin: '12D3KooWcarol', name: null, jail: 'sshd', via: ['bob'], since: 0 }]
      }
    ],
    sync: [{ friend: '12D3KooWbob', sent: 1, toSend: 2, received: 30, toReceive: 400 }],
    refused: { expired: 2, 'over-rate': 1 },
    knocks: [],
    reachability: 'direct',
    web: null,
    lastError: 'the disk\u001b[2J is full'
  }
  await pretendDaemon(t, shell, { status: () => status } as never)
  assert.equal(
    await done(shell, 'status'),
    `peer ID    12D3KooWself
network    test
version    1.2.3, up 1h 1m
mode       observe, paused
listening  /ip4/192.0.2.1/tcp/1
           /ip6/2001:db8::1/tcp/1
friends    2 of 3 connected
DHT        4 peers
ledger     5 reports with 6 claims
verdicts   7 banned, 8 held
hand-off   log 2 waiting (ENOSPC); fail2ban off
firewall   blocks 11 of the 12 bans in banmesh, 5 of 5 in nftables
flushed    3 (until banmesh resume, or a new verdict)
ALERT      198.51.100.1, an address of this node, is banned by 12D3KooWcarol (sshd, told by bob)
sync       12D3KooWbob: received 30 of 400 reports, sent 1 of 2
refused    2 expired
           1 over-rate
last error the disk?[2J is full`
  )
  assert.deepEqual(await shell.json('status'), status)
})
