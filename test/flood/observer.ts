/** Asks a control socket all the time, in a thread of its own: so what is measured is the node, and not the test. */
import { request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'

const { socketPath } = workerData as { socketPath: string }
let stopped = false
parentPort!.once('message', () => (stopped = true))

function ask(): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/v1/id', agent: false }, (answer) => {
      answer.resume().once('end', () => resolve())
    })
    asked.once('error', reject).end()
  })
}

/** Milliseconds. */
const answers: number[] = []
while (!stopped) {
  const from = performance.now()
  await ask()
  answers.push(performance.now() - from)
  await delay(20)
}
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, and no window
parentPort!.postMessage(answers)
