#!/usr/bin/env node
/**
 * The command. Looks at Node's version before anything is imported that an older Node could not even parse. fail2ban waits
 * for `banmesh hook` at every ban, so that one is done before anything else is loaded.
 */
const version = process.versions.node

if (Number(version.split('.')[0]) < 24) {
  process.stderr.write(`banmesh: error: needs Node.js 24 or newer, this is v${version}\n`)
  process.exitCode = 1
} else {
  void run(process.argv.slice(2))
}

async function run(argv: readonly string[]): Promise<void> {
  const hook = argv.includes('hook') ? runHook(argv) : Promise.resolve(null)
  const isDone = await hook.then(
    (fate) => fate !== null && fate.ok && !argv.includes('--json'),
    () => false
  )
  // Not by itself, which takes a millisecond more.
  if (isDone) process.exit()
  const { main } = await import('../src/cli/main.ts')
  await main(argv, hook)
}

async function runHook(argv: readonly string[]) {
  const hook = await import('../src/daemon/hook.ts')
  return hook.runHook(argv, { search: { env: process.env, cwd: process.cwd() }, now: Date.now(), pid: process.pid })
}
