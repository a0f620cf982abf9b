import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LIMIT_NAMES, LIMITS } from '../../src/daemon/config-limits.ts'
import { configTemplate } from '../../src/daemon/config-template.ts'
import { SOCKET_PATH_BYTES } from '../../src/daemon/config-values.ts'
import {
  CONFIG_BYTES,
  CONFIG_PROBLEMS,
  formatProblem,
  loadConfig,
  parseConfig,
  type Config,
  type ConfigProblem
} from '../../src/daemon/config.ts'
import { createPeer } from '../support/peers.ts'

const ALICE = createPeer().id
const BOB = createPeer().id
const FOLDER = '/srv/banmesh'

function valid(text: string): Config {
  const parsed = parseConfig(text, { folder: FOLDER })
  assert.ok(parsed.ok, parsed.ok ? '' : told(parsed.errors).join('\n'))
  assert.deepEqual(told(parsed.warnings), [])
  return parsed.config
}

function errorsOf(text: string): string[] {
  const parsed = parseConfig(text, { folder: FOLDER })
  assert.ok(!parsed.ok, 'the config is valid')
  return told(parsed.errors)
}

function told(problems: readonly ConfigProblem[]): string[] {
  return problems.map((problem) => formatProblem('banmesh.yaml', problem))
}

/** The value of one top-level key. */
function only<Key extends keyof Config>(key: Key, value: string): Config[Key] {
  return valid(`${key}: ${value}`)[key]
}

test('absent keys have the defaults of the contract', () => {
  const { limits, ...rest } = valid('')
  assert.deepEqual(rest, {
    network: 'default',
    dataDir: '/var/lib/banmesh',
    listen: ['/ip4/0.0.0.0/tcp/7337', '/ip6/::/tcp/7337'],
    announce: [],
    control: '/run/banmesh/control.sock',
    friends: [],
    discovery: { dht: true, bootstrap: [], mdns: false },
    policy: {
      threshold: 800_000,
      quorum: 1,
      rule: 'flow',
      mode: 'enforce',
      maxHops: 6,
      maxBanTime: 7 * 86_400,
      jails: new Map([['*', { accept: true, threshold: null, jail: null }]])
    },
    share: { jails: ['*'], minBanTime: 60 },
    allowlist: { cidrs: [], hosts: [] },
    protectReserved: true,
    handoff: {
      log: { path: '/var/log/banmesh/bans.log' },
      fail2ban: {
        enabled: false,
        jail: 'banmesh',
        client: 'fail2ban-client',
        socket: '/run/fail2ban/fail2ban.sock',
        direct: true
      },
      nftables: { enabled: false, block: 'reject' },
      exec: null
    },
    web: { listen: { host: '127.0.0.1', port: 7338 } },
    log: { level: 'info', audit: null },
    nat: { relay: true, upnp: true },
    networkKey: null
  })
  for (const name of LIMIT_NAMES) assert.equal(limits[name], LIMITS[name].default, name)
})

test("the contract's example is valid", () => {
  valid(`
network: default                 # nodes of different networks never talk
dataDir: /var/lib/banmesh        # identity.key, ledger.db, libp2p/, spool/
listen: [/ip4/0.0.0.0/tcp/7337, "/ip6/::/tcp/7337"]
announce: []                     # public multiaddrs behind NAT
control: /run/banmesh/control.sock
friends:
  - id: ${ALICE}
    name: alice
    trust: 80                    # percent
    addresses: []                # optional: the DHT finds them
    observe: false
    jails: ["*"]                 # accept claims of these jails only
discovery: { dht: true, bootstrap: [], mdns: false }
policy:
  threshold: 80                  # percent
  quorum: 1                      # distinct first-hop friends
  rule: flow                     # or sum
  mode: enforce                  # or observe
  maxHops: 6
  maxBanTime: 7d
  jails: { "*": {} }             # per remote jail: accept, threshold, local jail
share: { jails: ["*"], minBanTime: 60s }
allowlist: [192.0.2.0/24, office.example.net]
protectReserved: true            # never ban private, loopback, multicast, documentation... ranges
handoff:
  log: { path: /var/log/banmesh/bans.log }
  fail2ban: { enabled: false, jail: banmesh, client: fail2ban-client, socket: /run/fail2ban/fail2ban.sock }
web: { listen: 127.0.0.1:7338 }  # dashboard, /metrics, /healthz, /readyz; false turns it off
log: { level: info }
limits: {}                       # every bound, with its default, in the commented file that init writes
`)
})

test('what init writes is valid, and says nothing but the defaults where it could', () => {
  const { dataDir, control, handoff, ...rest } = valid(configTemplate())
  const { dataDir: _d, control: _c, handoff: defaults, ...expected } = valid('')
  assert.deepEqual(rest, expected)
  assert.deepEqual([dataDir, control, handoff.log?.path], [FOLDER, `${FOLDER}/control.sock`, `${FOLDER}/bans.log`])
  assert.deepEqual({ ...handoff, log: null }, { ...defaults, log: null })
})

test('the limits that init writes commented out are valid, and the defaults, once the comment sign is taken away', () => {
  const text = configTemplate().replaceAll(/^#( {2}[A-Za-z]+: \d+ )/gm, ' $1')
  assert.deepEqual(valid(text).limits, valid('').limits)
  assert.equal(text.match(/^ {3}[A-Za-z]+: \d+ /gm)?.length, LIMIT_NAMES.length)
})

test('every limit takes its least and its most, and nothing beyond', () => {
  for (const name of LIMIT_NAMES) {
    const { min, max } = LIMITS[name]
    for (const value of [min, max]) assert.equal(only('limits', `{ ${name}: ${value} }`)[name], value)
    for (const value of [min - 1, max + 1]) assert.equal(errorsOf(`limits: { ${name}: ${value} }`).length, 1, name)
  }
})

test('relative paths are relative to the config file', () => {
  const config = valid(
    'dataDir: .\ncontrol: run/control.sock\nhandoff: { log: { path: ../bans.log }, fail2ban: { client: ./f2b, socket: f2b.sock } }'
  )
  assert.equal(config.dataDir, FOLDER)
  assert.equal(config.control, `${FOLDER}/run/control.sock`)
  assert.equal(config.handoff.log?.path, '/srv/bans.log')
  assert.equal(config.handoff.fail2ban.client, `${FOLDER}/f2b`)
  assert.equal(config.handoff.fail2ban.socket, `${FOLDER}/f2b.sock`)
  const exec = (command: string): unknown => only('handoff', `{ exec: { command: ${command} } }`).exec?.command
  assert.deepEqual(exec('[./told, ./as/it/is]'), [`${FOLDER}/told`, './as/it/is'])
  assert.deepEqual(exec('[told]'), ['told'])
})

test('an empty list or map is as good as none', () => {
  for (const key of ['friends', 'listen', 'policy', 'limits', 'allowlist', 'discovery', 'handoff', 'web']) {
    assert.deepEqual(valid(`${key}:`), valid(''), key)
  }
})

test('durations are seconds', () => {
  for (const [text, seconds] of [
    ['90', 90],
    ['90s', 90],
    ['"90"', 90],
    ['10m', 600],
    ['12h', 43_200],
    ['7d', 604_800],
    ['366d', 366 * 86_400]
  ] as const) {
    assert.equal(only('policy', `{ maxBanTime: ${text} }`).maxBanTime, seconds, text)
  }
  for (const text of ['0', '-1', '1.5', '367d', '7 d', '1w', 'null', 'true', '[1d]']) {
    assert.equal(errorsOf(`policy: { maxBanTime: ${text} }`).length, 1, text)
  }
})

test('percent is ppm inside', () => {
  for (const [text, ppm] of [
    ['80', 800_000],
    ['33.3', 333_000],
    ['0.0001', 1],
    ['100', 1_000_000]
  ] as const) {
    assert.equal(only('policy', `{ threshold: ${text} }`).threshold, ppm, text)
  }
  assert.equal(valid(`friends: [{ id: ${ALICE}, trust: 0 }]`).friends[0]?.trust, 0)
  for (const text of ['0', '-1', '100.1', '"80"', '80%', '.nan', '.inf', '']) {
    assert.equal(errorsOf(`policy: { threshold: ${text} }`).length, 1, text)
  }
})

test('the watched log and the dashboard can be turned off', () => {
  assert.equal(only('handoff', '{ log: false }').log, null)
  assert.equal(only('handoff', '{ log: null }').log, null)
  assert.equal(only('web', 'false'), null)
  assert.deepEqual(only('web', '{ listen: "[::1]:0" }'), { listen: { host: '::1', port: 0 } })
})

test('the allowlist takes addresses, CIDRs of any width and host names', () => {
  const text =
    '[192.0.2.1, "::ffff:192.0.2.2", 10.0.0.1/8, "2001:db8::1/16", 0.0.0.0/0, Office.Example.net., localhost]'
  assert.deepEqual(only('allowlist', text), {
    cidrs: ['192.0.2.1', '192.0.2.2', '10.0.0.0/8', '2001::/16', '0.0.0.0/0'],
    hosts: ['office.example.net', 'localhost']
  })
  for (const entry of [
    '192.0.2.300',
    '192.0.2.0/33',
    '-a.example',
    'a_b c',
    'a..b',
    '""',
    '192.0.2',
    '5',
    `${'a'.repeat(64)}.net`
  ]) {
    assert.equal(errorsOf(`allowlist: [${entry}]`).length, 1, entry)
  }
})

test('a jail policy is found by the name of the remote jail', () => {
  const { jails } = only('policy', '{ jails: { sshd: { threshold: 50, jail: ssh-mesh }, postfix: { accept: false } } }')
  assert.deepEqual(
    [...jails],
    [
      ['sshd', { accept: true, threshold: 500_000, jail: 'ssh-mesh' }],
      ['postfix', { accept: false, threshold: null, jail: null }]
    ]
  )
})

test('a bad value is reported with file, line, column and key', () => {
  for (const [text, expected] of [
    ['network: my net', 'banmesh.yaml:1:10: network: must be a name of 1 to 64 letters, digits, _ . -, not "my net"'],
    ['network:', 'banmesh.yaml:1:1: network: must be a name of 1 to 64 letters, digits, _ . -, not empty'],
    ['\ndataDir: 5', 'banmesh.yaml:2:10: dataDir: must be a path, not 5'],
    ['listen: /ip4/0.0.0.0/tcp/1', 'banmesh.yaml:1:9: listen: must be a list, not "/ip4/0.0.0.0/tcp/1"'],
    [
      'listen:\n  - /ip4/0.0.0.0/tcp/1\n  - /ip4/0.0.0.0/udp/1',
      'banmesh.yaml:3:5: listen[1]: must be a multiaddr like /ip4/0.0.0.0/tcp/7337, not "/ip4/0.0.0.0/udp/1"'
    ],
    [
      `announce: [/ip4/192.0.2.1/tcp/1/p2p/${ALICE}]`,
      `banmesh.yaml:1:12: announce[0]: must be a multiaddr without a peer ID, like /dns4/host.example/tcp/7337, not ${JSON.stringify(`/ip4/192.0.2.1/tcp/1/p2p/${ALICE}`).slice(0, 59)}…`
    ],
    [
      'discovery: { bootstrap: [/ip4/192.0.2.1/tcp/1] }',
      'banmesh.yaml:1:26: discovery.bootstrap[0]: must be a multiaddr with a peer ID, like /ip4/192.0.2.1/tcp/7337/p2p/12D3KooW…, not "/ip4/192.0.2.1/tcp/1"'
    ],
    ['discovery: { dht: yes }', 'banmesh.yaml:1:19: discovery.dht: must be true or false, not "yes"'],
    ['policy: [1]', 'banmesh.yaml:1:9: policy: must be a map of keys, not a list'],
    ['policy:\n  rule: max', 'banmesh.yaml:2:9: policy.rule: must be flow or sum, not "max"'],
    ['policy: { quorum: 1.5 }', 'banmesh.yaml:1:19: policy.quorum: must be a whole number from 1 to 1000, not 1.5'],
    ['policy: { maxHops: 17 }', 'banmesh.yaml:1:20: policy.maxHops: must be a whole number from 0 to 16, not 17'],
    ['policy: { jails: { "a b": {} } }', 'banmesh.yaml:1:27: policy.jails["a b"]: must be a jail name or "*"'],
    [
      'policy:\n  jails:\n    sshd:\n      accept: maybe',
      'banmesh.yaml:4:15: policy.jails.sshd.accept: must be true or false, not "maybe"'
    ],
    [
      'share: { jails: ["bad jail"] }',
      'banmesh.yaml:1:18: share.jails[0]: must be a jail name of 1 to 64 letters, digits, _ . -, not "bad jail"'
    ],
    ['handoff: { fail2ban: false }', 'banmesh.yaml:1:22: handoff.fail2ban: must be a map of keys, not false'],
    ['handoff:\n  log:\n    path: ""', 'banmesh.yaml:3:11: handoff.log.path: must be a path, not ""'],
    ['handoff: { exec: true }', 'banmesh.yaml:1:18: handoff.exec: must be a map of keys, not true'],
    [
      'handoff: { exec: {} }',
      'banmesh.yaml:1:18: handoff.exec.command: must be a list of texts: [program, argument, "{ip}"], not empty'
    ],
    [
      'handoff: { exec: { command: "told {ip}" } }',
      'banmesh.yaml:1:29: handoff.exec.command: must be a list of texts: [program, argument, "{ip}"], not "told {ip}"'
    ],
    ['handoff: { exec: { command: [] } }', 'banmesh.yaml:1:29: handoff.exec.command: must name a program'],
    [
      'handoff: { exec: { command: ["/opt/{ip}"] } }',
      'banmesh.yaml:1:29: handoff.exec.command: must begin with a program that has no placeholder in its name'
    ],
    [
      'handoff: { exec: { command: [told, "{user}"] } }',
      'banmesh.yaml:1:29: handoff.exec.command: has an unknown placeholder: there are {ip}, {jail}, {until}, {score} and {action}'
    ],
    [
      'handoff: { nftables: { block: ignore } }',
      'banmesh.yaml:1:31: handoff.nftables.block: must be reject or drop, not "ignore"'
    ],
    ['web: true', 'banmesh.yaml:1:6: web: must be a map of keys, not true'],
    [
      'web: { listen: localhost:80 }',
      'banmesh.yaml:1:16: web.listen: must be ADDRESS:PORT, like 127.0.0.1:7338 or "[::1]:7338", not "localhost:80"'
    ],
    [
      'web: { listen: "127.0.0.1:65536" }',
      'banmesh.yaml:1:16: web.listen: must be ADDRESS:PORT, like 127.0.0.1:7338 or "[::1]:7338", not "127.0.0.1:65536"'
    ],
    [
      'log: { level: loud }',
      'banmesh.yaml:1:15: log.level: must be trace or debug or info or warn or error or fatal or silent, not "loud"'
    ],
    ['friends: alice', 'banmesh.yaml:1:10: friends: must be a list, not "alice"'],
    ['just text', 'banmesh.yaml:1:1: must be a map of keys, not "just text"']
  ] as const) {
    assert.deepEqual(errorsOf(text), [expected])
  }
})

test('an unknown key is an error, at any depth', () => {
  for (const [text, expected] of [
    ['annouce: []', 'banmesh.yaml:1:1: annouce: unknown key'],
    ['policy:\n  treshold: 80', 'banmesh.yaml:2:3: policy.treshold: unknown key'],
    ['handoff: { log: { pth: x } }', 'banmesh.yaml:1:19: handoff.log.pth: unknown key'],
    ['limits: { foo: 1 }', 'banmesh.yaml:1:11: limits.foo: unknown key'],
    ['policy: { jails: { sshd: { foo: 1 } } }', 'banmesh.yaml:1:28: policy.jails.sshd.foo: unknown key'],
    ['__proto__: { network: x }', 'banmesh.yaml:1:1: __proto__: unknown key'],
    ['policy: { jails: { __proto__: { accept: false } } }', 'banmesh.yaml:1:20: policy.jails.__proto__: unknown key'],
    ['constructor: 1', 'banmesh.yaml:1:1: constructor: unknown key'],
    ['"a\\nb": 1', 'banmesh.yaml:1:1: ["a\\nb"]: unknown key']
  ] as const) {
    assert.deepEqual(errorsOf(text), [expected])
  }
})

test('what YAML allows and a config must not have is an error', () => {
  for (const [text, expected] of [
    ['network: a\nnetwork: b', 'banmesh.yaml:2:1: network: is there already, further up'],
    ['policy: { quorum: 1, quorum: 2 }', 'banmesh.yaml:1:22: policy.quorum: is there already, further up'],
    ['1: 2', 'banmesh.yaml:1:1: a key must be text'],
    ['allowlist: &a [192.0.2.1]\nannounce: *a', 'banmesh.yaml:2:11: announce: aliases (*name) are not supported']
  ] as const) {
    assert.deepEqual(errorsOf(text), [expected])
  }
})

test('what is not YAML is reported with its line', () => {
  for (const [text, line] of [
    ['network: [a', 1],
    ['network: a\n\tdataDir: .', 2],
    ['network: a\npolicy: {\nquorum: 1', 3],
    ['network: a\n---\nnetwork: b', 2],
    ['a: !!binary x\nnetwork: !foo x', 2]
  ] as const) {
    const errors = errorsOf(text)
    assert.match(errors.at(-1)!, new RegExp(`^banmesh\\.yaml:${line}:\\d+: not valid YAML: `), text)
  }
})

test('all errors are reported at once, in the order of the file, bad friends among them', () => {
  assert.deepEqual(
    errorsOf(`network: a b\nfriends:\n  - id: nobody\npolicy: { quorum: 0 }\nannouce: []\n`).map(
      (line) => line.split(': ')[1]
    ),
    ['network', 'friends[0].id', 'policy.quorum', 'annouce']
  )
})

test('bug 9: a bad friend entry disables that friend only, loudly', () => {
  const parsed = parseConfig(
    `friends:
  - id: nobody
    trust: 101
  - id: ${ALICE}
  - id: ${ALICE}
    trust: 10
  - name: nameless
  - just text
  - id: ${BOB}
    trsut: 50
  - id: ${BOB}
    name: bob
    trust: 33.3
    addresses: [/ip4/192.0.2.1/tcp/7337/p2p/${BOB}, /dns4/bob.example/tcp/7337]
    observe: true
    paused: true
    jails: [sshd]
`,
    { folder: FOLDER }
  )
  assert.ok(parsed.ok)
  assert.deepEqual(told(parsed.warnings), [
    'banmesh.yaml:2:9: friends[0].id: must be a peer ID (12D3KooW…, what `banmesh id` prints there), not "nobody"',
    'banmesh.yaml:3:12: friends[0].trust: must be percent: a number from 0 to 100, not 101',
    'banmesh.yaml:5:9: friends[2].id: is a friend already, further up',
    'banmesh.yaml:7:5: friends[3].id: must be a peer ID (12D3KooW…, what `banmesh id` prints there), not empty',
    'banmesh.yaml:8:5: friends[4]: must be a map of keys, not "just text"',
    'banmesh.yaml:10:5: friends[5].trsut: unknown key'
  ])
  assert.deepEqual(parsed.config.friends, [
    { id: ALICE, name: ALICE.slice(-8), trust: 800_000, addresses: [], observe: false, paused: false, jails: ['*'] },
    {
      id: BOB,
      name: 'bob',
      trust: 333_000,
      addresses: ['/ip4/192.0.2.1/tcp/7337', '/dns4/bob.example/tcp/7337'],
      observe: true,
      paused: true,
      jails: ['sshd']
    }
  ])
})

test("a friend's name is short, printable, and no peer ID", () => {
  const named = (name: string) => parseConfig(`friends: [{ id: ${ALICE}, name: ${name} }]`, { folder: FOLDER })
  for (const name of ['a', "Zoë's server", 'a'.repeat(64)]) {
    const parsed = named(JSON.stringify(name))
    assert.ok(parsed.ok && parsed.config.friends[0]?.name === name, name)
  }
  for (const name of ['""', '" a"', '5', JSON.stringify('a'.repeat(65)), '"a\\nb"', '"a\\u202eb"', '"\\e[31m"', BOB]) {
    const parsed = named(name)
    assert.ok(parsed.ok && parsed.warnings.length === 1 && parsed.config.friends.length === 0, name)
  }
})

test("an address that ends with somebody else's peer ID disables the friend", () => {
  const parsed = parseConfig(`friends: [{ id: ${ALICE}, addresses: [/ip4/192.0.2.1/tcp/1/p2p/${BOB}] }]`, {
    folder: FOLDER
  })
  assert.ok(parsed.ok)
  assert.deepEqual(parsed.config.friends, [])
  assert.match(told(parsed.warnings)[0]!, /friends\[0\]\.addresses\[0\]: ends with another peer ID/)
})

test('this node is not its own friend', () => {
  const text = `friends: [{ id: ${ALICE} }, { id: ${BOB} }]`
  const parsed = parseConfig(text, { folder: FOLDER, self: ALICE })
  assert.ok(parsed.ok)
  assert.deepEqual(
    parsed.config.friends.map(({ id }) => id),
    [BOB]
  )
  assert.deepEqual(told(parsed.warnings), ["banmesh.yaml:1:17: friends[0].id: is this node's own ID"])
})

test('a socket path may be as long as the kernel takes it, and no longer', () => {
  const path = (length: number): string => `/${'x'.repeat(length - 1)}`
  assert.equal(only('control', path(SOCKET_PATH_BYTES)).length, SOCKET_PATH_BYTES)
  assert.match(
    errorsOf(`control: ${path(SOCKET_PATH_BYTES + 1)}`)[0]!,
    /^banmesh\.yaml:1:10: control: must be at most 107 bytes/
  )
})

test('a file that is missing, a folder or too large is an error without a place', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-config-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'banmesh.yaml')
  const problem = (path: string): string => {
    const loaded = loadConfig(path)
    assert.ok(!loaded.ok)
    return formatProblem(path, loaded.errors[0]!)
  }
  assert.equal(problem(file), `${file}: can't be read: ENOENT`)
  assert.equal(problem(folder), `${folder}: can't be read: EISDIR`)
  writeFileSync(file, '#'.repeat(CONFIG_BYTES))
  assert.ok(loadConfig(file).ok)
  writeFileSync(file, '#'.repeat(CONFIG_BYTES + 1))
  assert.equal(problem(file), `${file}: is larger than ${CONFIG_BYTES} bytes`)
})

test('a text of more bytes than a config may have is refused unread, wherever it comes from', () => {
  const fits = parseConfig('#'.repeat(CONFIG_BYTES), { folder: '/' })
  assert.equal(fits.ok, true)
  const large = parseConfig('#'.repeat(CONFIG_BYTES + 1), { folder: '/' })
  assert.ok(!large.ok && large.errors[0]!.message === `is larger than ${CONFIG_BYTES} bytes`)
})

test('so many problems are told of and no more, of each kind', () => {
  const lines = (count: number, line: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => line(i)).join('')
  for (const [what, line] of [
    ['unknown keys', (i: number) => `k${i}: 1\n`],
    ['keys twice', () => 'dataDir: /\n'],
    ['no YAML', () => ']\n']
  ] as const) {
    const extra = what === 'keys twice' ? 1 : 0
    assert.equal(errorsOf(lines(CONFIG_PROBLEMS - 1 + extra, line)).length, CONFIG_PROBLEMS - 1, what)
    assert.equal(errorsOf(lines(CONFIG_PROBLEMS + extra, line)).length, CONFIG_PROBLEMS, what)
    assert.equal(errorsOf(lines(CONFIG_PROBLEMS + 1 + extra, line)).length, CONFIG_PROBLEMS, what)
  }
  const friends = parseConfig(`friends:\n${lines(CONFIG_PROBLEMS + 1, () => '- {}\n')}`, { folder: '/' })
  assert.ok(friends.ok && friends.warnings.length === CONFIG_PROBLEMS)
})
