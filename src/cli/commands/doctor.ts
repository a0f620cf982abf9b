/** `doctor`: looks at everything that has to be right, and says what mends what is not. Changes nothing itself. */
import { dirname, resolve } from 'node:path'
import type { FriendView, Status } from '../../control/api.ts'
import type { Config } from '../../daemon/config.ts'
import { ask, configPath, type Context } from '../context.ts'
import { fine, problem, quoted, warning, type Check } from '../doctor/check.ts'
import {
  checkAlerts,
  checkEnforcement,
  checkFriends,
  checkHandoffs,
  checkListening,
  checkMode,
  checkSkew
} from '../doctor/daemon-checks.ts'
import { checkFail2ban } from '../doctor/fail2ban-checks.ts'
import { checkClock, checkDisk, checkKey, checkNode, checkPorts, checkSocket } from '../doctor/node-checks.ts'
import { checkRotation } from '../doctor/rotation-check.ts'
import { done, type Outcome } from '../outcome.ts'
import { printable } from '../text.ts'

export async function doctor(context: Context, { root = '/' }: { root?: string }): Promise<Outcome> {
  const examined = await examine(context, resolve(context.cwd, root))
  const checks = [checkNode(process.versions.node), ...examined.map((check) => withConfig(check, context))]
  const count = (state: Check['state']): number => checks.filter((check) => check.state === state).length
  const problems = count('problem')
  const json = { problems, warnings: count('warning'), checks }
  const sum = `${problems} ${problems === 1 ? 'problem' : 'problems'}, ${json.warnings} ${json.warnings === 1 ? 'warning' : 'warnings'}`
  return done(json, [...checks.flatMap(describe), '', sum].join('\n'), { exit: problems === 0 ? 0 : 1 })
}

/** A command to type is for the same config. */
function withConfig({ run, ...check }: Check, { configOption }: Context): Check {
  if (run === undefined) return check
  const named = configOption === undefined ? 'banmesh ' : `banmesh --config ${quoted(configOption)} `
  return { ...check, run: run.replace(/^banmesh /, () => named) }
}

async function examine(context: Context, root: string): Promise<Check[]> {
  const path = await configPath(context)
  if (!path.ok) {
    return [problem('config', path.messages.join(', '), path.hint ?? '', 'banmesh init')]
  }
  const { formatProblem, loadConfig } = await import('../../daemon/config.ts')
  const loaded = loadConfig(path.value)
  if (!loaded.ok) {
    return loaded.errors.map((error) => problem('config', formatProblem(path.value, error), 'correct that line'))
  }
  const { config, warnings } = loaded
  const broken = warnings.map((entry) => {
    const fix = 'correct the entry, or take it out with banmesh friend remove'
    return warning('config', `a friend is left out: ${formatProblem(path.value, entry)}`, fix)
  })
  return [
    ...(broken.length > 0 ? broken : [fine('config', path.value)]),
    await checkKey(config),
    checkClock(context.now()),
    checkDisk('disk', config.dataDir),
    ...(await examineDaemon(context, config)),
    ...(await checkFail2ban(config, root)),
    ...(await examineLogs(config, root))
  ]
}

async function examineDaemon(context: Context, config: Config): Promise<Check[]> {
  const status = await ask<Status>(context, { method: 'GET', path: '/v1/status' })
  if (!status.ok) {
    const state = status.reason === 'not-allowed' ? warning : problem
    const run = status.reason === 'unreachable' ? 'systemctl start banmesh' : undefined
    const check = state('daemon', status.messages.join(', '), status.hint ?? 'its log says why', run)
    return [check, ...(status.reason === 'unreachable' ? await checkPorts(config) : [])]
  }
  const friends = await ask<FriendView[]>(context, { method: 'GET', path: '/v1/friends' })
  return [
    fine('daemon', `banmesh ${status.value.version}, network ${status.value.network}`),
    ...checkSocket(config.control),
    ...checkListening(status.value, config),
    checkSkew(status.value),
    ...checkMode(status.value),
    ...(friends.ok ? checkFriends(friends.value) : []),
    ...checkHandoffs(status.value),
    ...checkEnforcement(status.value),
    ...checkAlerts(status.value)
  ]
}

async function examineLogs(config: Config, root: string): Promise<Check[]> {
  const { auditPath } = await import('../../daemon/audit-path.ts')
  const logs = [config.handoff.log?.path, auditPath(config)].filter((path) => typeof path === 'string')
  const checks = await checkRotation(config, logs, root)
  const folders = new Set(logs.map((log) => dirname(log)).filter((folder) => folder !== config.dataDir))
  return [...checks, ...[...folders].map((folder) => checkDisk('disk', folder))]
}

function describe({ name, state, message, fix, run }: Check): string[] {
  const head = `${state.padEnd(7)}  ${name.padEnd(9)} ${printable(message)}`
  const indent = ' '.repeat(19)
  return [
    head,
    ...(fix === undefined ? [] : [`${indent}fix: ${printable(fix)}`]),
    ...(run === undefined ? [] : [`${indent}  ${printable(run)}`])
  ]
}
