import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PICKLE_LIMITS } from '../../src/fail2ban/pickle-machine.ts'
import { decodePickle, encodeWords } from '../../src/fail2ban/pickle.ts'
import { requires } from '../support/requirements.ts'
import { run } from './server.ts'

/** Opcodes after the head of protocol 5, in Latin-1. */
function decode(opcodes: string): unknown {
  return decodePickle(Buffer.from(`\x80\x05${opcodes}`, 'latin1'))
}

/** A short text. */
function text(value: string): string {
  return `\x8c${String.fromCharCode(value.length)}${value}`
}

test('Answers as fail2ban 1.0.2 and 1.1.0 write them are read.', () => {
  const answers: readonly (readonly [string, unknown])[] = [
    // get mesh bantime
    ['K\x00M\x10\x0e\x86\x94.', [0, 3600]],
    // get mesh banip, without bans
    ['\x95\x07\0\0\0\0\0\0\0K\x00]\x94\x86\x94.', [0, []]],
    // set mesh bantime -1
    ['K\x00J\xff\xff\xff\xff\x86\x94.', [0, -1]],
    // get mesh ignoreip
    [
      `K\x00]\x94(${text('builtins')}\x94${text('str')}\x94\x93\x94${text('127.0.0.0/8')}\x94\x85\x94R\x94h\x03${text('::1')}\x94\x85\x94R\x94e\x86\x94.`,
      [0, ['127.0.0.0/8', '::1']]
    ],
    // get nosuch bantime
    [
      `K\x01${text('fail2ban.exceptions')}\x94${text('UnknownJailException')}\x94\x93\x94${text('nosuch')}\x94\x85\x94R\x94\x86\x94.`,
      [1, { raised: 'UnknownJailException' }]
    ],
    // status mesh short
    [
      `K\x00]\x94${text('Actions')}\x94]\x94(${text('Currently banned')}\x94K\x02\x86\x94${text('Total banned')}\x94K\x05\x86\x94e\x86\x94a\x86\x94.`,
      [
        0,
        [
          [
            'Actions',
            [
              ['Currently banned', 2],
              ['Total banned', 5]
            ]
          ]
        ]
      ]
    ]
  ]
  for (const [opcodes, value] of answers) deepEqual(decode(opcodes), value, JSON.stringify(opcodes))
})

test('Numbers, flags, nothing, tuples and long text are read.', () => {
  deepEqual(decode('(N\x88\x89K\xff\x8a\x02\x00\x80\x8a\x00G\x3f\xf8\0\0\0\0\0\0X\x02\0\0\0\xc3\xa4)t.'), [
    null,
    true,
    false,
    255,
    -32768,
    0,
    1.5,
    'ä',
    []
  ])
  deepEqual(decode('K\x01K\x02K\x03\x87.'), [1, 2, 3])
  deepEqual(decode(`${text('a')}\x94j\0\0\0\0\x86.`), ['a', 'a'])
})

test(
  'What Python writes is read, and what we write Python reads.',
  {
    skip: requires({ commands: ['fail2ban-server'] })
  },
  async () => {
    const { value } = fc.letrec<{ value: unknown; leaf: unknown }>((tie) => ({
      leaf: fc.oneof(
        fc.constant(null),
        fc.boolean(),
        fc.integer({ min: -(2 ** 47), max: 2 ** 47 - 1 }),
        fc.string({ unit: 'grapheme', maxLength: 300 })
      ),
      value: fc.oneof({ maxDepth: 5 }, tie('leaf'), fc.array(tie('value'), { maxLength: 5 }))
    }))
    const values = fc.sample(value, 200)
    const words = fc.sample(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 5 }), 200)
    const script = [
      'import pickle, json, sys',
      'values, words = json.loads(sys.argv[1])',
      'pickled = [pickle.dumps(value, 4 + n % 2).hex() for n, value in enumerate(values)]',
      'print(json.dumps([pickled, [pickle.loads(bytes.fromhex(word)) for word in words]]))'
    ].join('\n')
    const input = JSON.stringify([values, words.map((list) => encodeWords(list).toString('hex'))])
    const { stdout } = await run('/usr/bin/python3', ['-c', script, input])
    const [pickled, back] = JSON.parse(stdout) as [string[], string[][]]
    deepEqual(back, words)
    deepEqual(
      pickled.map((hex) => decodePickle(Buffer.from(hex, 'hex'))),
      values
    )
  }
)

test('Nothing is called or built but text and the names of exceptions.', () => {
  const call = (module: string, name: string, args = `${text('id')}\x85`): unknown =>
    decode(`${text(module)}${text(name)}\x93${args}R.`)
  equal(call('builtins', 'str'), 'id')
  deepEqual(call('builtins', 'ValueError'), { raised: 'ValueError' })
  deepEqual(call('builtins', 'Exception'), { raised: 'Exception' })
  for (const [module, name] of [
    ['os', 'system'],
    ['posix', 'system'],
    ['builtins', 'eval'],
    ['builtins', 'exec'],
    ['builtins', '__import__'],
    ['fail2ban.server.ipdns', 'IPAddr'],
    ['collections', 'OrderedDict']
  ] as const) {
    equal(call(module, name), undefined, `${module}.${name}`)
  }
  equal(call('builtins', 'str', 'K\x01\x85'), undefined, 'not of a text')
  equal(call('builtins', 'str', ')'), undefined, 'of nothing')
  equal(call('builtins', 'str', `${text('a')}${text('b')}\x86`), undefined, 'of two texts')
  equal(call('builtins', 'str', text('a')), undefined, 'without a tuple')
  equal(decode(`${text('builtins')}${text('str')}\x93.`), undefined, 'a class is no value')
  equal(decode(`${text('builtins')}${text('str')}\x93\x85.`), undefined, 'nor in a tuple')
  equal(decode(`]${text('builtins')}${text('str')}\x93a.`), undefined, 'nor in a list')
  equal(decode(`K\x01${text('str')}\x93.`), undefined, 'a module is a text')
})

test('Every opcode that is not known is not understood, whatever it does in Python.', () => {
  const known = new Set('.\x95N\x88\x89KMJ\x8aG\x8cX(]ae)\x85\x86\x87t\x94hj\x93R')
  for (let code = 0; code < 256; code++) {
    const opcode = String.fromCharCode(code)
    if (known.has(opcode)) continue
    equal(decode(`${text('a')}${text('b')}${opcode}\n\n.`), undefined, `opcode ${code}`)
  }
})

test('Torn, endless and wrong programs are not understood.', () => {
  const whole = `K\x00]\x94(${text('builtins')}\x94${text('str')}\x94\x93\x94${text('::1')}\x94\x85\x94R\x94e\x86\x94`
  deepEqual(decode(`${whole}.`), [0, ['::1']])
  for (let length = 0; length < whole.length; length++) equal(decode(whole.slice(0, length)), undefined, 'torn')
  for (const [what, opcodes] of [
    ['empty', ''],
    ['nothing at the end', '.'],
    ['two values at the end', 'NN.'],
    ['something after the end', 'N.N'],
    ['a mark at the end', '(.'],
    ['a tuple of more than there is', 'N\x86.'],
    ['marked items without a mark', 'Nt.'],
    ['appended to nothing', 'Na.'],
    ['appended to a text', `${text('a')}Na.`],
    ['appended to a tuple', ')Na.'],
    ['appended over a mark', '](Na.'],
    ['remembered nothing', '\x94.'],
    ['remembered a mark', '(\x94N.'],
    ['fetched what was not remembered', 'h\0.'],
    ['a list in itself', ']\x94h\0a.'],
    ['a list in itself by way of a tuple', ']\x94\x85\x94h\0h\x01a.'],
    ['an integer that is not exact', `\x8a\x08${'\xff'.repeat(8)}.`],
    ['text that is not UTF-8', '\x8c\x02\xc3\x28.'],
    ['text beyond the end', 'X\xff\xff\xff\x7fa.']
  ] as const) {
    equal(decode(opcodes), undefined, what)
  }
  for (const protocol of ['\x80\x01', '\x80\x03', '\x80\x06', 'K\x00', '\x80']) {
    equal(decodePickle(Buffer.from(`${protocol}N.`, 'latin1')), undefined, JSON.stringify(protocol))
  }
})

test('Values and depth have their limits.', () => {
  const list = (count: number): unknown => decode(`](${'N'.repeat(count)}e.`)
  // The list and the mark count too.
  equal((list(PICKLE_LIMITS.values - 2) as unknown[]).length, PICKLE_LIMITS.values - 2)
  equal(list(PICKLE_LIMITS.values - 1), undefined)
  const tuples = (depth: number): unknown => decode(`)${'\x85'.repeat(depth - 1)}.`)
  equal(JSON.stringify(tuples(PICKLE_LIMITS.depth)), '['.repeat(PICKLE_LIMITS.depth) + ']'.repeat(PICKLE_LIMITS.depth))
  equal(tuples(PICKLE_LIMITS.depth + 1), undefined)
  const lists = (depth: number): unknown => decode(`${']'.repeat(depth)}${'a'.repeat(depth - 1)}.`)
  equal(Array.isArray(lists(PICKLE_LIMITS.depth)), true)
  equal(lists(PICKLE_LIMITS.depth + 1), undefined)
})

test('Random bytes and changed answers are read or not understood, and never more.', () => {
  const answer = Buffer.from(
    `\x80\x05K\x00]\x94(${text('builtins')}\x94${text('str')}\x94\x93\x94${text('10.0.0.0/8')}\x94\x85\x94R\x94e\x86\x94.`,
    'latin1'
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.concat([Buffer.of(0x80, 5), bytes])),
        fc.tuple(fc.nat(answer.length - 1), fc.nat(255)).map(([at, byte]) => {
          const changed = Buffer.from(answer)
          changed[at] = byte
          return changed
        })
      ),
      (bytes) => {
        JSON.stringify(decodePickle(bytes))
      }
    ),
    { numRuns: 2000 }
  )
})
