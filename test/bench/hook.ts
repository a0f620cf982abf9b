/**
 * What fail2ban waits for at every ban: the shipped action as it is, by the shell alone, and the command that it falls
 * back to. Whole processes, one after the other in turn, each beside the least that its interpreter takes.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { actionScript } from '../fail2ban/shipped.ts'
import { median, spreadOf } from './figures.ts'
import { builtProgram } from './processes.ts'
import { line, type Line } from './report.ts'

const ROUNDS = 100
const WARM_UP = 5

const BAN = { name: 'sshd', ip: '203.0.113.7', time: '1763668800.5', bantime: '600', failures: '5', restored: '0' }

export async function* bench(): AsyncGenerator<Line> {
  await using cleanup = new AsyncDisposableStack()
  const dir = cleanup.adopt(mkdtempSync(join(tmpdir(), 'banmesh-bench-')), (path) => rmSync(path, { recursive: true }))
  const [spool, config] = [join(dir, 'spool'), join(dir, 'banmesh.yaml')]
  mkdirSync(spool)
  writeFileSync(config, 'dataDir: .\ncontrol: control.sock\n')
  const env = { PATH: process.env['PATH'], BANMESH_CONFIG: config }
  const byShell = ['/bin/sh', '-c', actionScript('actionban', BAN, { spool: { path: spool, config } })]
  const tags = ['ban', '--jail', BAN.name, '--ip', BAN.ip, '--time', BAN.time, '--bantime', BAN.bantime]
  const byCommand = [process.execPath, builtProgram(), 'hook', ...tags, '--failures', BAN.failures]
  const ways = { sh: ['/bin/sh', '-c', ':'], byShell, node: [process.execPath, '-e', '0'], byCommand }

  const times = { sh: [], byShell: [], node: [], byCommand: [] } as Record<keyof typeof ways, number[]>
  for (let i = -WARM_UP; i < ROUNDS; i++) {
    for (const [way, [program, ...args]] of Object.entries(ways)) {
      const from = performance.now()
      const { status } = spawnSync(program!, args, { cwd: '/', env, stdio: 'ignore' })
      const took = performance.now() - from
      assert.equal(status, 0, way)
      const left = readdirSync(spool)
      assert.equal(left.length, way.startsWith('by') ? 1 : 0, way)
      for (const name of left) rmSync(join(spool, name))
      if (i >= 0) times[way as keyof typeof ways].push(took)
    }
  }
  const [sh, node] = [median(times.sh), median(times.node)]
  const shipped = times.byShell
  yield line('hook: as it is shipped (by: node -e 0)', median(shipped), 'ms', node, '<= 0.5 x', spreadOf(shipped))
  yield line('hook: as it is shipped (by: sh -c :)', median(shipped), 'ms', sh, '-', spreadOf(shipped))
  yield line(
    'hook: by the command (by: node -e 0)',
    median(times.byCommand),
    'ms',
    node,
    '<= 1.2 x',
    spreadOf(times.byCommand)
  )
}
