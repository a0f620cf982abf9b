/** Runs of the simulation on several threads. The order of the results is that of the tasks, whoever was faster. */
import { setImmediate } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { Friendships } from './friendships.ts'
import { createRunner, type Measures, type Rule, type Run } from './run.ts'

export type Result = ReadonlyMap<Rule, Measures>

interface Shared {
  readonly simulate: true
  readonly given: Friendships | null
}

/** `workers` of 1 does without threads. `done` hears of every result. */
export async function runTasks(
  tasks: readonly Run[],
  given: Friendships | null,
  workers: number,
  done: (finished: number) => void
): Promise<Result[]> {
  const results: Result[] = Array.from({ length: tasks.length })
  let finished = 0
  if (workers <= 1) {
    const perform = createRunner(given)
    for (const [i, task] of tasks.entries()) {
      results[i] = perform(task)
      done(++finished)
      await setImmediate()
    }
    return results
  }
  let next = 0
  await Promise.all(
    Array.from({ length: Math.min(workers, tasks.length) }, async () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { simulate: true, given } satisfies Shared })
      try {
        while (next < tasks.length) {
          const index = next++
          results[index] = await ask(worker, tasks[index]!)
          done(++finished)
        }
      } finally {
        await worker.terminate()
      }
    })
  )
  return results
}

function ask(worker: Worker, task: Run): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>()
  const failed = (error: unknown) => reject(error instanceof Error ? error : new Error(String(error)))
  worker.once('error', failed)
  worker.once('message', (result: Result) => {
    worker.off('error', failed)
    resolve(result)
  })
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  worker.postMessage(task)
  return promise
}

// This file is also what a worker starts with.
if (!isMainThread && isShared(workerData)) {
  const perform = createRunner(workerData.given)
  const port = parentPort!
  port.on('message', (task: Run) => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
    port.postMessage(perform(task))
  })
}

function isShared(data: unknown): data is Shared {
  return typeof data === 'object' && data !== null && 'simulate' in data
}
