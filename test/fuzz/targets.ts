/**
 * What is fuzzed: everything that reads bytes of somebody else. A new decoder is one entry here: a name, a few good inputs,
 * and a call that throws if a promise is broken (a refusal is none). `npm run fuzz` and the tests find it by themselves.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BANLIST_BANS, parseBanlist } from '../../src/cli/banlist.ts'
import { parseOldFriend } from '../../src/cli/fail2ban-p2p.ts'
import { createControlServer, type ControlPort } from '../../src/control/server.ts'
import { parseCidr } from '../../src/core/cidr.ts'
import { decodeMessage } from '../../src/core/reconcile-codec.ts'
import { createReconciler, RECONCILE_LIMITS } from '../../src/core/reconcile.ts'
import { parseSubject } from '../../src/core/subject.ts'
import { parseConfig } from '../../src/daemon/config.ts'
import { scanConfigPaths } from '../../src/daemon/config-paths.ts'
import { configTemplate } from '../../src/daemon/config-template.ts'
import { formatInvite, parseFriendReference } from '../../src/daemon/invite.ts'
import { ANSWERS } from '../../src/fail2ban/client.ts'
import { checkHookEvent, parseHookArgs } from '../../src/fail2ban/hook-event.ts'
import { parseFrame, parseListing } from '../../src/fail2ban/nft-listing.ts'
import { decodePickle, encodeWords } from '../../src/fail2ban/pickle.ts'
import { readSpool, removeFromSpool } from '../../src/fail2ban/spool.ts'
import { decodeFrame, encodeFrame } from '../../src/mesh/sync-frames.ts'
import { decodeEnvelope, decodeReport, encodeEnvelope, encodeReport } from '../../src/wire/codec.ts'
import { claimOf, createPeer, seal } from '../support/peers.ts'
import { toItemSet } from '../support/items.ts'

export interface Target {
  readonly name: string
  readonly corpus: readonly Uint8Array[]
  /** Words that belong to the format. */
  readonly tokens?: readonly string[]
  /** Of an input; by default what the mutator makes. */
  readonly maxBytes?: number
  run(input: Uint8Array): void | Promise<void>
  /** Before the first and after the last input. */
  start?(): Promise<void>
  stop?(): Promise<void>
}

const NOW = 1_700_000_000_000
const [origin, relay] = [createPeer(), createPeer()]
const report = {
  issuedAt: NOW,
  claims: [claimOf('198.51.100.7', { until: NOW / 1000 + 60 }), claimOf('2001:db8::/48', { until: 9, kind: 'unban' })]
}
const envelopes = [
  seal(origin, report),
  seal(origin, report, { hops: [origin, relay].map(({ id }) => ({ peer: id, trust: 800_000 })) })
]
const text = (input: Uint8Array): string => Buffer.from(input).toString()
const bytes = (...texts: readonly string[]): Uint8Array[] => texts.map((one) => new Uint8Array(Buffer.from(one)))

const invite = formatInvite({
  network: 'test',
  id: origin.id,
  addresses: ['/ip4/192.0.2.1/tcp/7337', '/dns4/a.example/tcp/1']
})
const items = toItemSet(
  Array.from({ length: 200 }, (_, i) => ({ issuedAt: 1000 + (i >> 2), key: new Uint8Array(16).fill(i), ref: i }))
)
const initiator = () => createReconciler(items, { side: 'initiator', salt: new Uint8Array(16) })
const first = initiator()
assert(first.ok)
const firstMessage = first.value.initiate()
const BAN_LINE = '203.0.113.7 \t2026-11-20 18:00:00 + 600 = 2026-11-20 18:10:00'

export const TARGETS: readonly Target[] = [
  {
    name: 'envelope',
    corpus: envelopes,
    run(input) {
      const decoded = decodeEnvelope(input)
      if (decoded.ok) assert.deepEqual(Buffer.from(encodeEnvelope(decoded.value)), Buffer.from(input))
    }
  },
  {
    name: 'report',
    corpus: [encodeReport({ origin: origin.id, ...report })],
    run(input) {
      const decoded = decodeReport(input)
      if (decoded.ok) assert.deepEqual(Buffer.from(encodeReport(decoded.value)), Buffer.from(input))
    }
  },
  {
    name: 'sync-frames',
    corpus: [
      encodeFrame({ type: 'reports', envelopes }),
      encodeFrame({ type: 'reconcile', offerer: 'responder', message: firstMessage }),
      encodeFrame({ type: 'taken', frames: 3 }),
      encodeFrame({ type: 'end' }),
      encodeFrame({ type: 'busy' })
    ],
    run(input) {
      const frame = decodeFrame(input, 256)
      if (frame !== null) assert.deepEqual(Buffer.from(encodeFrame(frame)), Buffer.from(input))
    }
  },
  {
    name: 'reconcile-messages',
    corpus: [firstMessage, Uint8Array.of(1), Uint8Array.of(0, 1, 0)],
    run(input) {
      decodeMessage(input, RECONCILE_LIMITS)
      const responder = createReconciler(items, { side: 'responder' })
      assert(responder.ok)
      const step = responder.value.reconcile(input)
      if (!step.ok) return
      assert.ok(step.value.have.length <= items.size)
      if (step.value.reply !== null) assert.ok(step.value.reply.length <= RECONCILE_LIMITS.messageBytes)
      // What was fit for a responder comes back as a reply to ours.
      const asker = initiator()
      assert(asker.ok)
      asker.value.initiate()
      asker.value.reconcile(step.value.reply ?? input)
      responder.value.reconcile(input)
    }
  },
  controlTarget(),
  {
    name: 'hook-event',
    corpus: bytes(
      '{"event":"ban","jail":"sshd","ip":"203.0.113.7","time":1763668800,"banTime":600,"failures":3}',
      '{"event":"flush","jail":"sshd"}'
    ),
    tokens: ['"prolong"', '-1', '1e400', '2001:db8::/48', '"__proto__":{}', 'null'],
    run: (input) => void checkHookEvent(jsonOf(input))
  },
  {
    name: 'hook-argv',
    corpus: bytes(
      [
        'ban',
        '--jail',
        'sshd',
        '--ip',
        '203.0.113.7',
        '--time',
        '1763668800.25',
        '--bantime',
        '600',
        '--failures',
        '3'
      ].join('\0'),
      'flush\0--jail\0sshd\0--family\0inet4'
    ),
    tokens: ['\0--jail\0', '\0--ip\0', '-1', '::1', '1e9', '\0\0'],
    run(input) {
      const event = parseHookArgs(text(input).split('\0'))
      if (event.ok) assert.ok(checkHookEvent(event.value).ok)
    }
  },
  spoolTarget(),
  {
    name: 'config',
    // The operator's own file; the YAML library takes about 10 us for a byte that is an error.
    maxBytes: 4096,
    corpus: bytes(
      configTemplate(),
      JSON.stringify({
        friends: [{ id: origin.id, trust: 80, addresses: ['/ip4/192.0.2.1/tcp/1'] }],
        limits: { ingestQueue: 5 }
      }),
      'policy:\n  threshold: 80\n  jails: {"*": {}, sshd: {threshold: 50}}\nallowlist: [a.example, 192.0.2.0/24]\n'
    ),
    tokens: [
      '&a ',
      '*a',
      '<<: ',
      '!!binary ',
      '? ',
      '- ',
      '[[[[',
      '{a: {a: ',
      '\n  ',
      ': |\n',
      '__proto__: ',
      '\u0085',
      '7d'
    ],
    run(input) {
      parseConfig(text(input), { folder: '/', self: relay.id })
    }
  },
  {
    name: 'config-paths',
    corpus: bytes('dataDir: .\ncontrol: ./control.sock\n', '{"dataDir": "/x", "control": "y"}', configTemplate()),
    tokens: ['control: ', '"', "'", '|\n', '\\', ' #'],
    run(input) {
      const scanned = scanConfigPaths(text(input))
      for (const path of Object.values(scanned ?? {})) assert.ok(path === undefined || typeof path === 'string')
    }
  },
  {
    name: 'invites',
    corpus: bytes(invite, origin.id, `/ip4/192.0.2.1/tcp/7337/p2p/${origin.id}`, `banmesh:test:${origin.id}`),
    tokens: ['/p2p/', '/p2p-circuit', '@', ',', '/dns4/', '/unix/', '/ip6/::/tcp/1', 'banmesh:'],
    run(input) {
      const parsed = parseFriendReference(text(input))
      if (!parsed.ok || parsed.value.network === null) return
      const again = parseFriendReference(formatInvite({ ...parsed.value, network: parsed.value.network }))
      assert.ok(again.ok && again.value.id === parsed.value.id)
    }
  },
  {
    name: 'addresses',
    corpus: bytes('203.0.113.7', '2001:db8::/48', '::ffff:203.0.113.7', '::1.2.3.4', '0.0.0.0/0'),
    tokens: ['::', '/', '%lo', '0x', '255', 'ffff'],
    run(input) {
      const cidr = parseCidr(text(input))
      if (cidr !== null) assert.equal(parseCidr(cidr), cidr)
      parseSubject(text(input))
    }
  },
  {
    name: 'fail2ban-answers',
    corpus: bytes(
      '3\n',
      '-1\n',
      `${BAN_LINE}\n${BAN_LINE}\n`,
      'These IP addresses/networks are ignored:\n|- 127.0.0.0/8\n`- ::1\n',
      'Status for the jail: sshd\n|- Filter\n|  `- File list:\t/x\n`- Actions\n   |- Currently banned:\t1\n   `- Total banned:\t7\n'
    ),
    tokens: ['`- Actions\n', '|- Total banned:\t', ' \t', ' = ', '2026-02-30 25:61:61'],
    run(input) {
      for (const parse of Object.values(ANSWERS)) parse(text(input))
    }
  },
  {
    name: 'pickle',
    corpus: [
      new Uint8Array(encodeWords(['set', 'sshd', 'banip', '203.0.113.7'])),
      new Uint8Array(Buffer.from('8004950c000000000000004b008c03737472945d9461652e', 'hex')),
      new Uint8Array(Buffer.from('80025d71002858010000006171014b0165862e', 'hex'))
    ],
    tokens: ['\u0080\u0002', '](', 'e.', 'cos\nsystem\n', 'R.', 'X\u0004\u0000\u0000\u0000'],
    run: (input) => void decodePickle(Buffer.from(input))
  },
  {
    name: 'nft-listing',
    corpus: bytes(
      '{"nftables":[{"metainfo":{}},{"set":{"name":"v4_32","elem":[{"elem":{"val":"203.0.113.7","expires":60}},"203.0.113.8"]}}]}'
    ),
    tokens: ['"elem":', '"prefix":{"addr":"::","len":1}', 'null', '[[[['],
    run(input) {
      parseListing(text(input))
      parseFrame(text(input))
    }
  },
  {
    name: 'import-banlist',
    corpus: bytes(
      '203.0.113.7\n2001:db8::/48\n',
      'ip,until\n203.0.113.7,1763668800\n',
      `${BAN_LINE}\n`,
      '# x\n203.0.113.7 203.0.113.8\n'
    ),
    tokens: [',', '"', '\r\n', ';', '1e99', '-1', '\t'],
    run: (input) => void parseBanlist(text(input), { ttlSeconds: 60, now: NOW, maxBans: Math.min(1000, BANLIST_BANS) })
  },
  {
    name: 'import-fail2ban-p2p',
    corpus: bytes('address = 192.0.2.1\nport = 1337\ntrustlevel = 80\npubkey = abc\n'),
    tokens: [' = ', '\n', '[friend]', '1e9'],
    run: (input) => void parseOldFriend('friend', text(input))
  }
]

function jsonOf(input: Uint8Array): unknown {
  try {
    return JSON.parse(text(input))
  } catch {
    return undefined
  }
}

/** Raw bytes on the real control socket: every request is answered or cut off, and the next one is answered. */
function controlTarget(): Target {
  let folder = ''
  const fine = { ok: true, value: {} }
  const port = new Proxy({} as ControlPort, { get: () => () => fine })
  const server = createControlServer(port)
  const post = (route: string, body: string): string =>
    `POST ${route} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  return {
    name: 'control-requests',
    corpus: bytes(
      'GET /v1/why/203.0.113.7 HTTP/1.0\r\n\r\n',
      'DELETE /v1/bans/2001%3Adb8%3A%3A%2F48 HTTP/1.0\r\n\r\n',
      'GET /v1/verdicts?all=true HTTP/1.1\r\nHost: a\r\n\r\n',
      post('/v1/bans', '{"subject":"203.0.113.7","jail":"sshd","ttlSeconds":60}'),
      post('/v1/hook', '{"event":"ban","jail":"sshd","ip":"203.0.113.7","time":1,"banTime":60}')
    ),
    tokens: [
      '%00',
      '%',
      '..',
      'Transfer-Encoding: chunked\r\n',
      '\r\n\r\n',
      'Content-Length: 99999\r\n',
      '{"__proto__":{}}',
      'Expect: 100-continue\r\n'
    ],
    async start() {
      folder = mkdtempSync(join(tmpdir(), 'banmesh-fuzz-'))
      assert.ok((await server.listen(join(folder, 'control.sock'))).ok)
    },
    async stop() {
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    },
    run: (input) =>
      new Promise((resolve, reject) => {
        const socket = connect({ path: join(folder, 'control.sock') })
        socket.on('error', (error: NodeJS.ErrnoException) => {
          // Cut off in the middle of what it sent; but somebody has to be there.
          if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') reject(error)
        })
        socket.on('close', () => resolve())
        socket.resume()
        socket.end(input)
      })
  }
}

function spoolTarget(): Target {
  let folder = ''
  const name = '001700000000000-0000000001.json'
  return {
    name: 'spool',
    corpus: bytes(
      '{"at":1700000000000,"event":{"event":"ban","jail":"sshd","ip":"203.0.113.7","time":1700000000,"banTime":600}}',
      '{"at":1700000000000,"event":{"event":"stop","jail":"sshd"}}'
    ),
    tokens: ['null', '[]', '"at":-1', '1e400', '\u0000'],
    async start() {
      folder = mkdtempSync(join(tmpdir(), 'banmesh-fuzz-'))
    },
    async stop() {
      rmSync(folder, { recursive: true, force: true })
    },
    run(input) {
      writeFileSync(join(folder, name), input)
      const read = readSpool(folder, 10, NOW)
      assert(read.ok)
      assert.equal(read.value.events.length + read.value.junk.length, 1)
      assert.ok(removeFromSpool(folder, [name]).ok)
    }
  }
}
