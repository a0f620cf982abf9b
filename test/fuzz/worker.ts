/** One target, in a thread of its own: the other one watches it, and knows the input at which it stopped answering. */
import { parentPort, workerData } from 'node:worker_threads'
import { createCoverage } from './coverage.ts'
import { fuzz } from './engine.ts'
import { TARGETS } from './targets.ts'

interface Task {
  readonly name: string
  readonly cases: number
  readonly seed: number
  /** Two numbers (inputs begun, bytes of the last), then its bytes. */
  readonly shared: SharedArrayBuffer
}

const { name, cases, seed, shared } = workerData as Task
const head = new Int32Array(shared, 0, 2)
const last = new Uint8Array(shared, 8)
const target = TARGETS.find((one) => one.name === name)!

// A thread may not change it, and the control server does for its socket.
Object.defineProperty(process, 'umask', { value: () => 0o22 })

await target.start?.()
const coverage = await createCoverage()
const report = await fuzz(target, {
  cases,
  seed,
  coverage,
  before(input) {
    last.set(input)
    head[1] = input.length
    head[0]!++
  }
})
coverage.stop()
await target.stop?.()
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, and no window
parentPort!.postMessage(report)
