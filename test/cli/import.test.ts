import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { IMPORT_BATCH, type ImportRequest } from '../../src/control/api.ts'
import { parseBanlist } from '../../src/cli/banlist.ts'
import { parseOldFriend } from '../../src/cli/fail2ban-p2p.ts'
import { PROTOCOL_LIMITS } from '../../src/core/limits.ts'
import { createShell, LOOPBACK, pretendDaemon } from './shell.ts'

/** Local time, as fail2ban writes it. */
const NOW = new Date(2026, 10, 20, 18, 0, 0).getTime()
const TTL = 3600

/** `SUBJECT TTL` of what is taken, `LINE TEXT REASON` of what is not. */
function read(content: string): { bans: string[]; refused: string[] } {
  const { bans, refused } = parseBanlist(content, { ttlSeconds: TTL, now: NOW })
  return {
    bans: bans.map(({ subject, ttlSeconds }) => `${subject} ${ttlSeconds}`),
    refused: refused.map(({ line, text, reason }) => `${line} ${text} ${reason}`)
  }
}

test('ban lists in all their forms', () => {
  const iso = new Date(NOW + 90_000).toISOString()
  const unix = NOW / 1000 + 60
  for (const [name, content, bans, refused] of [
    [
      'plain',
      '203.0.113.7\n\n# no\n; no\n// no\n2001:db8::/64  # why\r\n',
      ['203.0.113.7 3600', '2001:db8::/64 3600'],
      []
    ],
    ['a byte order mark', '\uFEFF203.0.113.7', ['203.0.113.7 3600'], []],
    ['get banip', '203.0.113.7 203.0.113.8 \n', ['203.0.113.7 3600', '203.0.113.8 3600'], []],
    ['get banip ,', '203.0.113.7,203.0.113.8\n', ['203.0.113.7 3600', '203.0.113.8 3600'], []],
    [
      'get banip --with-time',
      `203.0.113.7 \t2026-11-20 17:55:00 + 600 = 2026-11-20 18:05:00
203.0.113.8 \t2026-11-20 17:00:00 + 600 = 2026-11-20 17:10:00
203.0.113.9 \t2026-11-20 17:55:00 + -1 = 9999-12-31 23:59:59\n`,
      ['203.0.113.7 300', `203.0.113.9 ${PROTOCOL_LIMITS.ttlSeconds}`],
      ['2 203.0.113.8 ended']
    ],
    [
      'banmesh export --format csv',
      `subject,score,until,origins,source\n203.0.113.7,80,${unix},1,mesh\n203.0.113.8,80,1,1,mesh\n`,
      ['203.0.113.7 60'],
      ['3 203.0.113.8 ended']
    ],
    ['other columns', `name;"ip"\nx;"203.0.113.7"\ny;nobody\n`, ['203.0.113.7 3600'], ['3 y not-an-address']],
    ['an ISO end', `ip,expires\n203.0.113.7,${iso}\n203.0.113.8,\n`, ['203.0.113.7 90', '203.0.113.8 3600'], []],
    [
      'junk',
      'example.net\n10.0.0.0/8\n203.0.113.7\n203.0.113.7\n1.2.3\n',
      ['203.0.113.7 3600'],
      ['1 example.net not-an-address', '2 10.0.0.0/8 over-wide', '4 203.0.113.7 duplicate', '5 1.2.3 not-an-address']
    ]
  ] as const) {
    assert.deepEqual(read(content), { bans: [...bans], refused: [...refused] }, name)
  }
})

test('a list is taken up to its bound, and the rest is refused', () => {
  const content = '203.0.113.1\n203.0.113.2\n203.0.113.1\n203.0.113.3\n'
  const { bans, refused } = parseBanlist(content, { ttlSeconds: TTL, now: NOW, maxBans: 2 })
  assert.equal(bans.length, 2)
  assert.deepEqual(
    refused.map(({ line, reason }) => [line, reason]),
    [
      [3, 'duplicate'],
      [4, 'too-many']
    ]
  )
})

test('banmesh import banlist', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', JSON.stringify(LOOPBACK))
  const requests: ImportRequest[] = []
  await pretendDaemon(t, shell, {
    async import(request) {
      requests.push(request)
      const refused = request.bans
        .filter(({ subject }) => subject.startsWith('192.168'))
        .map(({ subject }) => ({ subject, reason: 'reserved' }))
      return { ok: true, value: { said: request.bans.length - refused.length, refused } }
    }
  })
  shell.write('list.txt', '203.0.113.7\nnobody\u001b[2J\n192.168.0.1\n')
  assert.deepEqual(await shell.banmesh('import', 'banlist', 'list.txt', '--ttl', '1h'), {
    exit: 0,
    stderr: '',
    stdout: `1 ban imported as this node's own, 2 refused
  line 2: nobody?[2J: not-an-address
  192.168.0.1: reserved
`
  })
  assert.deepEqual(requests, [
    {
      jail: 'import',
      bans: [
        { subject: '203.0.113.7', ttlSeconds: 3600 },
        { subject: '192.168.0.1', ttlSeconds: 3600 }
      ]
    }
  ])
  const many = Array.from({ length: 2 * IMPORT_BATCH + 1 }, (_, i) => `198.18.${i >> 8}.${i & 255}`).join('\n')
  shell.write('list.txt', many)
  requests.length = 0
  assert.equal(
    (await shell.banmesh('import', 'banlist', 'list.txt', '--jail', 'old')).stdout,
    "1000 of 2001\n2000 of 2001\n2001 of 2001\n2001 bans imported as this node's own, 0 refused\n"
  )
  assert.deepEqual(
    requests.map(({ jail, bans }) => [jail, bans.length]),
    [
      ['old', IMPORT_BATCH],
      ['old', IMPORT_BATCH],
      ['old', 1]
    ]
  )
  assert.deepEqual(requests[0]?.bans[0]?.ttlSeconds, 7 * 86_400)
  shell.write('list.txt', '203.0.113.7\nnobody\n')
  assert.deepEqual(await shell.json('import', 'banlist', 'list.txt'), {
    imported: 1,
    refused: 1,
    reasons: { 'not-an-address': 1 },
    refusedLines: [{ line: 2, text: 'nobody', reason: 'not-an-address' }]
  })
})

test('an import that can not be is said to be none', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', JSON.stringify(LOOPBACK))
  shell.write('list.txt', '203.0.113.7')
  for (const [words, exit, error] of [
    [['no.txt'], 2, `${shell.folder}/no.txt can't be read (ENOENT)`],
    [['list.txt', '--jail', 'a b'], 2, '--jail takes a name of 1 to 64 letters, digits, _ . -'],
    [['list.txt', '--ttl', '0'], 2, '--ttl takes a duration: 90, 90s, 10m, 12h or 7d'],
    [['list.txt'], 3, `the daemon does not answer on ${shell.folder}/control.sock (ENOENT)`]
  ] as const) {
    const typed = await shell.banmesh('import', 'banlist', ...words)
    assert.deepEqual([typed.exit, typed.stdout, typed.stderr.split('\n')[0]], [exit, '', `banmesh: error: ${error}`])
  }
})

const KEY = '-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3\n-----END PUBLIC KEY-----\n'

test('banmesh import fail2ban-p2p lists what each friend has to send, and changes nothing', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', JSON.stringify(LOOPBACK))
  mkdirSync(join(shell.folder, 'old/friends'), { recursive: true })
  shell.write('old/fail2ban-p2p.conf', '[Node]\nname = me\n')
  shell.write('old/friends/node2', `port = 10002\ntrustlevel = 80\naddress = 192.0.2.2\n\n${KEY}`)
  shell.write('old/friends/the third', `address=host.example\nport=1337\ntrustlevel=33.3\n${KEY}`)
  shell.write('old/friends/broken', KEY)
  const expected = `2 friends of fail2ban-p2p. Their keys are of another kind: each has to install banmesh and send you
the line that banmesh invite prints there, or at least the peer ID. Then, for each:

# node2: 192.0.2.2, fail2ban-p2p on port 10002, trust 80 %
banmesh friend add /ip4/192.0.2.2/tcp/7337/p2p/PEER_ID --name node2 --trust 80
# the third: host.example, fail2ban-p2p on port 1337, trust 33.3 %
banmesh friend add /dns/host.example/tcp/7337/p2p/PEER_ID --name 'the third' --trust 33.3
`
  for (const folder of ['old', 'old/friends']) {
    assert.deepEqual(await shell.banmesh('import', 'fail2ban-p2p', folder), {
      exit: 0,
      stdout: expected,
      stderr: 'banmesh: warning: broken: address is missing or odd\n'
    })
  }
  assert.equal(shell.read('banmesh.yaml'), JSON.stringify(LOOPBACK))
  assert.deepEqual(await shell.json('import', 'fail2ban-p2p', 'old'), {
    friends: [
      { name: 'node2', address: '192.0.2.2', port: 10_002, trust: 80 },
      { name: 'the third', address: 'host.example', port: 1337, trust: 33.3 }
    ],
    wrong: [{ file: 'broken', wrong: 'address is missing or odd' }]
  })
  assert.equal((await shell.banmesh('import', 'fail2ban-p2p', 'nowhere')).exit, 2)
  mkdirSync(join(shell.folder, 'none/friends'), { recursive: true })
  shell.write('none/friends/broken', KEY)
  const none = await shell.banmesh('import', 'fail2ban-p2p', 'none')
  assert.equal(none.exit, 1)
  assert.match(none.stderr, /\nbanmesh: error: broken: address is missing or odd\n/)
})

test("a friend's file of fail2ban-p2p with odd values is none", () => {
  for (const [content, wrong] of [
    ['address = 192.0.2.2\ntrustlevel = 80', 'port is missing or odd'],
    ['address = 192.0.2.2\nport = 65536\ntrustlevel = 80', 'port is missing or odd'],
    ['address = 192.0.2.2\nport = 1\ntrustlevel = 101', 'trustlevel is missing, or not from 0 to 100'],
    ['address = a b\nport = 1\ntrustlevel = 1', 'address is missing or odd']
  ] as const) {
    assert.deepEqual(parseOldFriend('x', content), { wrong })
  }
})
