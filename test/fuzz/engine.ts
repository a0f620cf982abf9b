/** Runs one target on many inputs: seeded, timed case by case, with an eye on memory, and guided by coverage if asked. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { seeded } from '../support/seeded.ts'
import { touches, type Coverage } from './coverage.ts'
import { mutate } from './mutate.ts'
import type { Target } from './targets.ts'

export interface FuzzOptions {
  readonly cases: number
  readonly seed: number
  readonly coverage?: Coverage
  /** Called with every input before it is tried, so that somebody else can tell which one hung. */
  readonly before?: (input: Uint8Array) => void
}

export interface FuzzReport {
  readonly cases: number
  /** Inputs that found something new, the given ones included. */
  readonly corpus: number
  /** Of the processor. */
  readonly slowestMs: number
  /** Bytes by which the heap in use has grown between a tenth of the way and its end, after garbage collection. */
  readonly grownBytes: number
  readonly seconds: number
}

/** No input may take longer: the largest decodes in a few ms. */
export const CASE_MS = 1000
const BATCH = 2000

type Parts = ReturnType<Coverage['learn']>

/** Throws what a target throws, with the input in hex; and for an input that took too long. */
export async function fuzz(target: Target, options: FuzzOptions): Promise<FuzzReport> {
  const { cases, seed, coverage, before } = options
  const random = seeded(seed)
  const corpus = [...target.corpus]
  const from = performance.now()
  let slowestMs = 0
  let heap = 0

  async function attempt(input: Uint8Array): Promise<void> {
    before?.(input)
    const start = process.threadCpuUsage()
    try {
      const pending = target.run(input)
      if (pending !== undefined) await pending
    } catch (error) {
      throw new Error(`${target.name} fails on ${hex(input)}`, { cause: error })
    }
    // Of the processor, not of the clock: others may use the machine too. Who only waits, the other thread notices.
    const { user, system } = process.threadCpuUsage(start)
    const took = (user + system) / 1000
    slowestMs = Math.max(slowestMs, took)
    if (took > CASE_MS) throw new Error(`${target.name} took ${took.toFixed(0)} ms for ${hex(input)}`)
  }

  /** The input of a batch that reaches one of these parts, by halves. */
  async function find(batch: readonly Uint8Array[], parts: Parts, guide: Coverage): Promise<Uint8Array> {
    let left = batch
    while (left.length > 1) {
      const half = left.slice(0, left.length >> 1)
      for (const input of half) await attempt(input)
      left = touches(parts, await guide.hits()) ? half : left.slice(half.length)
    }
    return shorten(left[0]!, parts, guide)
  }

  /** The first bytes of it, as few as still reach one of the parts: in a short input a change hits what matters. */
  async function shorten(input: Uint8Array, parts: Parts, guide: Coverage): Promise<Uint8Array> {
    let found = input
    for (let length = input.length >> 1; length > 0; length >>= 1) {
      const shorter = found.slice(0, length)
      await attempt(shorter)
      if (!touches(parts, await guide.hits())) break
      found = shorter
    }
    return found
  }

  for (const input of corpus) await attempt(input)
  coverage?.learn(await coverage.hits())
  for (let done = 0; done < cases;) {
    const batch: Uint8Array[] = []
    for (; batch.length < BATCH && done < cases; done++) {
      const input = mutate(corpus, target.tokens ?? [], random).slice(0, target.maxBytes)
      batch.push(input)
      await attempt(input)
      if (heap === 0 && done >= cases / 10) heap = heapInUse()
    }
    const news = coverage?.learn(await coverage.hits())
    if (coverage !== undefined && news !== undefined && news.size > 0) corpus.push(await find(batch, news, coverage))
  }
  const grownBytes = heapInUse() - heap
  return { cases, corpus: corpus.length, slowestMs, grownBytes, seconds: (performance.now() - from) / 1000 }
}

function hex(input: Uint8Array): string {
  const text = Buffer.from(input).toString('hex')
  return text.length > 4096 ? `${text.slice(0, 4096)}... (${input.length} bytes)` : text
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function heapInUse(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}
