/**
 * `npm run fuzz -- [TARGET] [CASES] [SEED]`: every target, or one, with a million inputs each. Prints a line for each and
 * ends with 1 if one of them crashes, hangs, or keeps memory.
 */
import { Worker } from 'node:worker_threads'
import type { FuzzReport } from './engine.ts'
import { TARGETS } from './targets.ts'

const [first, second, third] = process.argv.slice(2)
const isName = first !== undefined && !/^\d+$/.test(first)
const [cases = '1000000', seed = '1'] = isName ? [second, third] : [first, second]
const names = TARGETS.map(({ name }) => name).filter((name) => !isName || name === first)
/** Milliseconds without a new input after which a target hangs. */
const HANG_MS = 20_000
/** Bytes by which the heap may grow; what is remembered of inputs is bounded by far less. */
const GROWTH_BYTES = 32 * 1024 * 1024
const INPUT_BYTES = 64 * 1024

if (names.length === 0) {
  console.error(`no such target; there are: ${TARGETS.map(({ name }) => name).join(', ')}`)
  process.exitCode = 2
}
for (const name of names) {
  try {
    const { corpus, slowestMs, grownBytes, seconds } = await watch(name)
    const growth = (grownBytes / 1024 / 1024).toFixed(1)
    console.log(
      `${name}: ${cases} inputs in ${seconds.toFixed(0)} s, slowest ${slowestMs.toFixed(1)} ms, heap ${growth} MiB more, corpus ${corpus}`
    )
    if (grownBytes > GROWTH_BYTES) throw new Error('it keeps memory')
  } catch (error) {
    console.error(`${name}: FAILED`, error)
    process.exitCode = 1
  }
}

function watch(name: string): Promise<FuzzReport> {
  const shared = new SharedArrayBuffer(8 + INPUT_BYTES)
  const head = new Int32Array(shared, 0, 2)
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: { name, cases: Number(cases), seed: Number(seed), shared }
  })
  const { promise, resolve, reject } = Promise.withResolvers<FuzzReport>()
  let begun = -1
  let quietMs = 0
  const timer = setInterval(() => {
    quietMs = head[0] === begun ? quietMs + 1000 : 0
    begun = head[0]!
    if (quietMs < HANG_MS || begun === 0) return
    const input = Buffer.from(new Uint8Array(shared, 8, head[1]))
    reject(new Error(`hangs on ${input.toString('hex')}`))
    void worker.terminate()
  }, 1000)
  worker.once('message', resolve).once('error', reject)
  worker.once('exit', () => reject(new Error('the thread has ended')))
  return promise.finally(() => clearInterval(timer))
}
