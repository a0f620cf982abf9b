import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { EXPORTS } from '../../src/cli/export-formats.ts'
import type { VerdictView } from '../../src/control/api.ts'
import { requires } from '../support/requirements.ts'
import { createShell, pretendDaemon } from './shell.ts'

const NOW = 1_763_668_800_000
const UNTIL = 1_763_669_400

/** Not among what CI has to have: nothing else here uses it. */
const NO_IPSET =
  spawnSync('sh', ['-c', 'command -v ipset']).status === 0 ? requires({ root: true }) : 'ipset is not installed'

function verdict(subject: string, change: Partial<VerdictView> = {}): VerdictView {
  return { subject, score: 80, accepted: true, until: UNTIL, origins: 1, source: 'mesh', ...change }
}

const VERDICTS = [
  verdict('2001:db8:2::/64'),
  verdict('203.0.113.7', { score: 96.4, source: 'own', origins: 2 }),
  verdict('203.0.113.0/24'),
  verdict('9.9.9.9', { until: UNTIL + 10_000_000 }),
  verdict('2001:db8:2::1'),
  verdict('2001:db8:1::1', { until: 1_763_668_800 })
]
const SUBJECTS = ['9.9.9.9', '203.0.113.0/24', '203.0.113.7', '2001:db8:1::1', '2001:db8:2::/64', '2001:db8:2::1']

const NFT = `# banmesh export: load with \`nft -f FILE\`, take back with \`nft delete table inet banmesh_export\`
table inet banmesh_export
delete table inet banmesh_export
table inet banmesh_export {
  set banned4 {
    type ipv4_addr
    flags interval
    elements = {
      9.9.9.9,
      203.0.113.0/24
    }
  }
  set banned6 {
    type ipv6_addr
    flags interval
    elements = {
      2001:db8:1::1,
      2001:db8:2::/64
    }
  }
  chain input {
    type filter hook input priority filter - 10; policy accept;
    ip saddr @banned4 drop
    ip6 saddr @banned6 drop
  }
}`

test('plain: a subject a line, IPv4 first, in the order of the addresses', () => {
  assert.equal(EXPORTS.plain(VERDICTS, NOW), SUBJECTS.join('\n'))
  assert.equal(EXPORTS.plain([], NOW), '')
})

test('csv: with a header', () => {
  assert.deepEqual(EXPORTS.csv(VERDICTS, NOW).split('\n').slice(0, 4), [
    'subject,score,until,origins,source',
    `9.9.9.9,80,${UNTIL + 10_000_000},1,mesh`,
    `203.0.113.0/24,80,${UNTIL},1,mesh`,
    `203.0.113.7,96.4,${UNTIL},2,own`
  ])
  assert.equal(EXPORTS.csv([], NOW), 'subject,score,until,origins,source')
})

test('nft: a table of its own; what another subject covers is left to that', () => {
  assert.equal(EXPORTS.nft(VERDICTS, NOW), NFT)
  assert.doesNotMatch(EXPORTS.nft([], NOW), /elements/)
})

test('ipset: each element with the time that it has left, at most what ipset can count', () => {
  assert.equal(
    EXPORTS.ipset(VERDICTS, NOW),
    `create banmesh4 hash:net family inet maxelem 1048576 timeout 0 -exist
create banmesh6 hash:net family inet6 maxelem 1048576 timeout 0 -exist
flush banmesh4
add banmesh4 9.9.9.9 timeout 2147483
add banmesh4 203.0.113.0/24 timeout 600
add banmesh4 203.0.113.7 timeout 600
flush banmesh6
add banmesh6 2001:db8:2::/64 timeout 600
add banmesh6 2001:db8:2::1 timeout 600`
  )
})

test('hosts.deny: IPv6 in brackets, IPv4 networks with their mask', () => {
  const verdicts = [...VERDICTS, verdict('198.51.100.128/25'), verdict('2001:db8:3::/48')]
  assert.equal(
    EXPORTS['hosts.deny'](verdicts, NOW),
    `ALL: 9.9.9.9
ALL: 198.51.100.128/255.255.255.128
ALL: 203.0.113.0/255.255.255.0
ALL: 203.0.113.7
ALL: [2001:db8:1::1]
ALL: [2001:db8:2::]/64
ALL: [2001:db8:2::1]
ALL: [2001:db8:3::]/48`
  )
})

test('only canonical subjects get out', () => {
  const hostile = ['1.2.3.4; rm -rf /', '::ffff:9.9.9.9', '10.0.0.0/8', '$(id)', '203.0.113.7\nALL: ALL'].map(
    (subject) => verdict(subject)
  )
  assert.equal(EXPORTS.plain(hostile, NOW), '9.9.9.9')
})

test(
  'the real nft takes the table, and takes it again',
  { skip: requires({ root: true, commands: ['nft', 'unshare'] }) },
  () => {
    const script =
      'nft -c -f "$1" && nft -f "$1" && nft -f "$1" && nft list set inet banmesh_export banned4 && nft list set inet banmesh_export banned6'
    for (const verdicts of [VERDICTS, []]) {
      const input = `${EXPORTS.nft(verdicts, NOW)}\n`
      const argv = [
        '--net',
        'sh',
        '-c',
        `f=$(mktemp) && cat > "$f" && set -- "$f" && ${script}; s=$?; rm "$f"; exit $s`
      ]
      const { status, stdout, stderr } = spawnSync('unshare', argv, { input, encoding: 'utf8' })
      assert.deepEqual([status, stderr], [0, ''])
      assert.equal(/203\.0\.113\.0\/24/.test(stdout), verdicts.length > 0)
    }
  }
)

test('the real ipset takes the sets', { skip: NO_IPSET }, () => {
  const input = `${EXPORTS.ipset(VERDICTS, NOW)}\n`
  const { status, stderr } = spawnSync('unshare', ['--net', 'sh', '-c', 'ipset restore'], { input, encoding: 'utf8' })
  assert.deepEqual([status, stderr], [0, ''])
})

test('banmesh export --format', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', 'control: control.sock')
  const held = verdict('192.0.2.1', { accepted: false })
  await pretendDaemon(t, shell, { verdicts: () => [...VERDICTS, held] })
  const plain = { exit: 0, stdout: `${SUBJECTS.join('\n')}\n`, stderr: '' }
  assert.deepEqual(await shell.banmesh('export'), plain)
  assert.deepEqual(await shell.banmesh('export', '--format', 'plain'), plain)
  assert.equal((await shell.banmesh('export', '--format', 'nft')).stdout, `${NFT}\n`)
  assert.deepEqual(JSON.parse((await shell.banmesh('export', '--format', 'json')).stdout), VERDICTS)
  assert.deepEqual(await shell.json('export'), VERDICTS)
})

test('banmesh export of nothing is nothing', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', 'control: control.sock')
  await pretendDaemon(t, shell, { verdicts: () => [] })
  assert.deepEqual(await shell.banmesh('export'), { exit: 0, stdout: '', stderr: '' })
  assert.deepEqual(await shell.json('export'), [])
})
