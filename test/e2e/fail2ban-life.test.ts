/**
 * What happens to a fail2ban with 500 bans, and what its friends hear of that: real fail2ban, the shipped action with the
 * real hook, real daemons.
 */
import { deepEqual, equal, ok as isTrue } from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FLUSH_SETTLE_MS } from '../../src/fail2ban/events.ts'
import { prepareFail2ban } from '../fail2ban/server.ts'
import { installInto } from '../fail2ban/shipped.ts'
import { createMesh, type NodeHandle } from '../support/nodes.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'

const skip = requires({ commands: ['fail2ban-server', 'fail2ban-client'] })
const MAIN = new URL('../../bin/banmesh.ts', import.meta.url).pathname
const MANY = Array.from({ length: 500 }, (_, i) => `203.0.${i >> 8}.${i & 255}`)

test(
  'A stop and a restart of fail2ban with 500 bans say nothing, unban --all lifts 500, and jails are filtered.',
  { skip, timeout: 600_000 },
  async (t) => {
    await using mesh = createMesh({
      friends: { alice: ['bob'], bob: ['alice'] },
      config: (name) => ({
        handoff: { log: false },
        ...(name === 'alice' && { share: { jails: ['sshd', 'growing', 'short'], minBanTime: '3s' } })
      })
    })
    const [alice, bob] = mesh.nodes as [NodeHandle, NodeHandle]
    const server = prepareFail2ban(t, {
      jails: ['sshd', 'secret', 'growing', 'short'].map(jail).join('') + '[banmesh]\nenabled = false\n'
    })
    const command = join(server.dir, 'banmesh')
    const words = `${process.execPath} ${MAIN} --config ${join(alice.dir, 'banmesh.yaml')}`
    const quick = join(server.dir, 'quick')
    writeFileSync(command, hookScript(words, quick, join(alice.dir, 'spool')), { mode: 0o755 })
    await installInto(server.dir, { command })
    await mesh.start()
    await mesh.connected()
    const jails = ['sshd', 'secret', 'growing', 'short'] as const
    await server.start(...jails)

    const banned = async (): Promise<string[]> => (await bob.verdicts()).map(({ subject }) => subject).sort()
    const has = (count: number): Promise<unknown> =>
      until(async () => (await bob.status()).verdicts.accepted === count, `${count} bans at the friend`, 120_000)
    const said = async (): Promise<number> => (await bob.status()).reports
    /** After this, a flush that was not followed by a stop would have become lifts. */
    const settled = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, FLUSH_SETTLE_MS + 3000))
    const listed = async (): Promise<number> =>
      (await server.client('get', 'sshd', 'banip')).split(' ').filter((ip) => ip.trim() !== '').length

    await server.client('set', 'sshd', 'banip', ...MANY.slice(0, 5))
    await has(5)
    writeFileSync(quick, '')
    await server.client('set', 'sshd', 'banip', ...MANY.slice(5))
    rmSync(quick)
    await has(500)
    deepEqual(await banned(), MANY.toSorted())

    const before = await said()
    await server.stop()
    await settled()
    equal((await bob.status()).verdicts.accepted, 500, 'a stop is no unban')
    await server.start(...jails)
    await until(async () => (await listed()) === 500, 'the restored bans', 60_000)
    await server.client('reload')
    await server.client('reload', '--restart', 'sshd')
    await until(async () => (await listed()) === 500, 'the restored bans', 60_000)
    await settled()
    equal((await bob.status()).verdicts.accepted, 500)
    equal(await said(), before, 'and nothing was said again')

    await server.client('set', 'sshd', 'unbanip', MANY[0]!)
    await has(499)
    deepEqual(await banned(), MANY.slice(1).toSorted())

    await server.client('set', 'secret', 'banip', '198.51.100.1')
    await server.client('set', 'short', 'banip', '198.51.100.2')
    // Shared, and after the others: what it shows they would have shown before.
    await server.client('set', 'growing', 'banip', '198.51.100.3')
    await has(500)
    isTrue((await banned()).includes('198.51.100.3'))
    const first = (await bob.why('198.51.100.3')).until!
    isTrue(first <= Date.now() / 1000 + 4)

    // It ends by itself; the next one is fifty times as long, which fail2ban says a little later.
    await until(async () => (await server.client('get', 'growing', 'banip')).trim() === '', 'the natural end')
    await server.client('set', 'growing', 'banip', '198.51.100.3')
    await until(
      async () => ((await bob.why('198.51.100.3')).until ?? 0) > first + 100,
      'the longer time at the friend',
      60_000
    )
    isTrue((await bob.why('198.51.100.3')).until! <= Date.now() / 1000 + 200)

    await server.client('unban', '--all')
    await has(0)
    deepEqual(await banned(), [])
  }
)

/**
 * The real hook, or, while the file `quick` is there, a shell that leaves a ban in the spool as the hook does: 500 times a
 * Node would take minutes on a busy machine.
 */
function hookScript(words: string, quick: string, spool: string): string {
  const event = '{"event":"ban","jail":"%s","ip":"%s","time":%s,"banTime":%s,"failures":%s}'
  return `#!/bin/sh
if [ "$2" != ban ] || [ ! -e ${quick} ]; then exec ${words} "$@"; fi
at=$(date +%s%3N)
name=$(printf %015d-%010d $at $$)
printf '{"at":%s,"event":${event}}' $at "$4" "$6" "\${8%.*}" "\${10}" "\${12}" >${spool}/.$name
mv ${spool}/.$name ${spool}/$name.json
`
}

function jail(name: string): string {
  const more = {
    sshd: 'bantime = 1h',
    secret: 'bantime = 1h',
    short: 'bantime = 2',
    growing: 'bantime = 4\nbantime.increment = true\nbantime.multipliers = 1 50'
  }[name]
  const rest =
    'enabled = true\nfilter = sshd\nbackend = polling\nlogpath = /dev/null\naction = %(action_)s\n         banmesh'
  return `[${name}]\n${rest}\n${more}\n`
}
