/**
 * As much of Python's pickle as fail2ban's socket needs: a command is a list of words, written with protocol 2; an answer
 * is read, by the machine in pickle-machine.ts, as plain data.
 *
 * Pickle is a program that builds objects, and who reads it in Python runs what it says. Here nothing is ever run: of all
 * calls, `str(text)` is the text, for so fail2ban writes its addresses, and an exception is its name. Every other opcode,
 * class or shape, and anything beyond a limit, is not understood.
 */
import { createPickleMachine, notUnderstood, type PickleMachine, type PickleValue } from './pickle-machine.ts'

/** Every word as text of protocol 2, which all of fail2ban's Pythons read. */
export function encodeWords(words: readonly string[]): Buffer {
  const texts = words.map((word) => {
    const bytes = Buffer.from(word)
    const head = Buffer.from('X....')
    head.writeUInt32LE(bytes.length, 1)
    return Buffer.concat([head, bytes])
  })
  return Buffer.concat([Buffer.from('\x80\x02](', 'latin1'), ...texts, Buffer.from('e.')])
}

/** Undefined if it is not understood to the last byte. */
export function decodePickle(bytes: Buffer): PickleValue | undefined {
  try {
    return decode(createReader(bytes))
  } catch (error) {
    if (error === notUnderstood) return undefined
    throw error
  }
}

/** fail2ban answers with the highest that its Python has: 5 since 3.8, 4 since 3.4. */
const PROTOCOLS = new Set([4, 5])
/** Bytes of the longest integer that is exact in any case. */
const INTEGER_BYTES = 6

function decode(reader: Reader): PickleValue {
  if (reader.uint(1) !== 0x80 || !PROTOCOLS.has(reader.uint(1))) throw notUnderstood
  const machine = createPickleMachine()
  for (;;) {
    const opcode = String.fromCharCode(reader.uint(1))
    if (opcode === '.') {
      if (!reader.done()) throw notUnderstood
      return machine.result()
    }
    const step = OPCODES[opcode]
    if (step === undefined) throw notUnderstood
    step(machine, reader)
  }
}

/** Python's Lib/pickletools.py describes each. */
const OPCODES: Readonly<Record<string, (machine: PickleMachine, reader: Reader) => void>> = {
  // FRAME helps those who read a file.
  '\x95': (_, reader) => void reader.bytes(8),
  N: (machine) => machine.push(null),
  '\x88': (machine) => machine.push(true),
  '\x89': (machine) => machine.push(false),
  K: (machine, reader) => machine.push(reader.uint(1)),
  M: (machine, reader) => machine.push(reader.uint(2)),
  J: (machine, reader) => machine.push(reader.int(4)),
  '\x8a': (machine, reader) => machine.push(reader.int(reader.uint(1))),
  G: (machine, reader) => machine.push(reader.bytes(8).readDoubleBE()),
  '\x8c': (machine, reader) => machine.push(reader.text(reader.uint(1))),
  X: (machine, reader) => machine.push(reader.text(reader.uint(4))),
  '(': (machine) => machine.mark(),
  ']': (machine) => machine.pushList(),
  a: (machine) => machine.append(1),
  e: (machine) => machine.append('marked'),
  ')': (machine) => machine.tuple(0),
  '\x85': (machine) => machine.tuple(1),
  '\x86': (machine) => machine.tuple(2),
  '\x87': (machine) => machine.tuple(3),
  t: (machine) => machine.tuple('marked'),
  '\x94': (machine) => machine.remember(),
  h: (machine, reader) => machine.recall(reader.uint(1)),
  j: (machine, reader) => machine.recall(reader.uint(4)),
  '\x93': (machine) => machine.pushClass(),
  R: (machine) => machine.call()
}

type Reader = ReturnType<typeof createReader>

function createReader(input: Buffer) {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let at = 0
  function bytes(length: number): Buffer {
    if (at + length > input.length) throw notUnderstood
    at += length
    return input.subarray(at - length, at)
  }
  return {
    bytes,
    uint: (length: 1 | 2 | 4): number => bytes(length).readUIntLE(0, length),
    int(length: number): number {
      if (length > INTEGER_BYTES) throw notUnderstood
      return length === 0 ? 0 : bytes(length).readIntLE(0, length)
    },
    text(length: number): string {
      const encoded = bytes(length)
      try {
        return utf8.decode(encoded)
      } catch {
        throw notUnderstood
      }
    },
    done: (): boolean => at === input.length
  }
}
