/** fail2ban: there, running, with our jail, filter and action, watching our log, and its bans in the firewall. */
import { readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { parseCidr, type Cidr } from '../../core/cidr.ts'
import type { Config } from '../../daemon/config.ts'
import { printable } from '../text.ts'
import { fine, problem, quoted, warning, type Check } from './check.ts'
import { runCommand } from './command.ts'

/** The oldest fail2ban that the shipped files were tested with. */
const OLDEST = [1, 0, 2] as const
/** The shipped action and filter. */
const SHIPPED = ['filter.d/banmesh.conf', 'action.d/banmesh.conf'] as const

type Ask = (...command: string[]) => Promise<string | null>

/** `root`: where fail2ban's configuration is looked for, `/` or a folder of a test. */
export async function checkFail2ban(config: Config, root: string): Promise<Check[]> {
  const { handoff, dataDir } = config
  const { client, socket } = handoff.fail2ban
  if (handoff.log === null && !handoff.fail2ban.enabled) return []
  const version = await fail2banVersion(client)
  if (version === null) {
    const fix = 'install it, or turn handoff.log and handoff.fail2ban off'
    return [problem('fail2ban', `${client} can't be run`, fix, 'apt-get install -y fail2ban')]
  }
  const old = isOlder(version)
    ? problem('fail2ban', `version ${version.join('.')} is too old`, `install ${OLDEST.join('.')} or newer`)
    : fine('fail2ban', `version ${version.join('.')}`)
  const files = await checkFiles(root)
  const pong = await runCommand(client, ['-s', socket, 'ping'])
  if (pong.code !== 0) {
    if (/Permission denied/.test(pong.stderr)) {
      return [old, ...files, warning('fail2ban', "its server can't be asked", 'be root: sudo banmesh doctor')]
    }
    return [
      old,
      ...files,
      problem('fail2ban', `no server answers on ${socket}`, 'start it', 'systemctl start fail2ban')
    ]
  }
  const ask: Ask = async (...command) => {
    const { code, stdout } = await runCommand(client, ['-s', socket, ...command])
    return code === 0 ? stdout : null
  }
  const { meshJails } = await import('../../daemon/enforcement.ts')
  const jails = meshJails(config)
  const checks = [old, ...files]
  for (const jail of jails) checks.push(...(await checkJail(ask, handoff, { jail, root })))
  return [...checks, ...(await checkDetectors(ask, jails, join(dataDir, 'spool')))]
}

async function fail2banVersion(client: string): Promise<number[] | null> {
  const { code, stdout } = await runCommand(client, ['--version'])
  const match = /v?(\d+)\.(\d+)\.(\d+)/.exec(stdout)
  return code === 0 && match !== null ? match.slice(1, 4).map(Number) : null
}

function isOlder(version: readonly number[]): boolean {
  const [a, b] = [version, OLDEST].map(([x = 0, y = 0, z = 0]) => x * 1e6 + y * 1e3 + z)
  return a! < b!
}

async function checkFiles(root: string): Promise<Check[]> {
  const { installFiles } = await import('../../daemon/install.ts')
  const shipped = installFiles()
  const run = installCommand(root)
  return SHIPPED.map((name) => {
    const kind = name.startsWith('filter') ? 'filter' : 'action'
    const path = join(root, 'etc/fail2ban', name)
    const found = textOf(path)
    if (found === null) return problem(kind, `${path} is missing`, 'write the shipped files', run)
    const expected = shipped.ok
      ? shipped.value.find((file) => file.path === `etc/fail2ban/${name}`)?.content
      : undefined
    if (withoutChoices(found) === withoutChoices(expected ?? '')) return fine(kind, `${path} is the shipped one`)
    const fix = `write the shipped files; what you want to change belongs into ${path.replace(/conf$/, 'local')}`
    return warning(kind, `${path} is not the shipped one of this version`, fix, run)
  })
}

/** The command in the action is the operator's choice; its folder has a check of its own. */
function withoutChoices(text: string): string {
  return text.replace(/^(?:banmesh|spool|config) = .*$/gm, '')
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

function installCommand(root: string): string {
  return root === '/'
    ? 'banmesh install && fail2ban-client reload'
    : `banmesh install --root ${quoted(root)} && fail2ban-client reload`
}

interface JailOptions {
  readonly jail: string
  readonly root: string
}

/** The log, and the filter for it, are for the jail of all verdicts; those that the policy names are told by command. */
async function checkJail(ask: Ask, handoff: Config['handoff'], { jail, root }: JailOptions): Promise<Check[]> {
  const isForAll = jail === handoff.fail2ban.jail
  const checks: Check[] = []
  if ((await ask('status', jail)) === null) {
    const message = `fail2ban has no jail ${jail}`
    if (!isForAll) {
      const fix = `add [${jail}] to jail.local, with enabled = true and an action, or take it out of policy.jails`
      return [problem('jail', `${message}, which policy.jails names`, fix)]
    }
    const fix = `write the shipped files, and see that no jail.local says enabled = false under [${jail}]`
    return [problem('jail', message, fix, installCommand(root))]
  }
  checks.push(fine('jail', `${jail} is there`))
  const actions = actionsOf((await ask('get', jail, 'actions')) ?? '')
  if (actions.includes('banmesh')) {
    const fix = `take banmesh out of the action of [${jail}]: what came from the mesh would be sent back to it; then restart fail2ban`
    checks.push(problem('jail', `${jail} has the action banmesh`, fix))
  }
  // With nftables, a jail without an action keeps the books.
  if (actions.length === 0 && !handoff.nftables.enabled) {
    checks.push(problem('jail', `${jail} has no action: it lists and blocks nothing`, `give [${jail}] an action`))
  }
  if (handoff.log !== null && isForAll) {
    checks.push(...checkLogPath((await ask('get', jail, 'logpath')) ?? '', handoff.log.path, jail))
    const failregex = (await ask('get', jail, 'failregex')) ?? ''
    if (!failregex.includes('"event":"ban"')) {
      const fix = `set filter = banmesh under [${jail}] in jail.local, and reload fail2ban`
      checks.push(problem('filter', `${jail} does not use the filter banmesh`, fix))
    }
  }
  checks.push(await checkEnforced(ask, jail))
  return checks
}

/** fail2ban-client's list of paths, a line each after a title. */
function checkLogPath(answer: string, expected: string, jail: string): Check[] {
  const watched = answer.split('\n').flatMap((line) => /^[|`]- (.+)$/.exec(line)?.[1] ?? [])
  if (watched.some((path) => real(path) === real(expected))) return [fine('logpath', `${jail} watches ${expected}`)]
  const shown = watched.map(printable).join(', ') || 'nothing'
  const fix = `set logpath = ${expected} under [${jail}] in jail.local, or handoff.log.path: to the log that it watches`
  const run = `fail2ban-client set ${jail} addlogpath ${quoted(expected)}`
  return [
    problem('logpath', `${jail} watches ${shown}, not ${expected}`, `${fix}; until the next restart this will do`, run)
  ]
}

function real(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** `The jail banmesh has the following actions:`, then the names. */
function actionsOf(answer: string): string[] {
  const [, ...names] = answer.trim().split('\n')
  return names
    .join(' ')
    .split(/[\s,]+/)
    .filter((name) => name !== '')
}

async function checkEnforced(ask: Ask, jail: string): Promise<Check> {
  const bans = ((await ask('get', jail, 'banip')) ?? '').split(/\s+/).flatMap((text): Cidr[] => {
    const cidr = parseCidr(text)
    return cidr === null ? [] : [cidr]
  })
  if (bans.length === 0) {
    return fine('enforced', `${jail} bans nobody just now, so there is nothing to see in the firewall`)
  }
  const { enforced, readFirewall } = await import('../../daemon/enforcement.ts')
  // After the list: what was listed has been tried to be blocked by then.
  const firewall = await readFirewall()
  if (!firewall.ok) {
    const { reason } = firewall
    const fix = reason === 'needs-cap-net-admin' ? 'be root: sudo banmesh doctor' : 'look yourself: nft list ruleset'
    return warning('enforced', `whether the firewall blocks what ${jail} lists can't be seen: ${reason}`, fix)
  }
  const { listed, blocked, open } = enforced(bans, firewall.value)
  if (blocked === listed) return fine('enforced', `all ${listed} bans of ${jail} are in the firewall`)
  const message = `${listed - blocked} of ${listed} bans of ${jail} are listed and not in the firewall, such as ${open[0]}`
  const fix =
    "fail2ban's log says why the action failed (often: a port by name without /etc/services, or no nftables); then"
  return problem('enforced', message, fix, `fail2ban-client reload --restart ${jail}`)
}

/** Whether some jail that detects attacks tells banmesh, and where its action leaves what it has to tell. */
async function checkDetectors(ask: Ask, meshJails: readonly string[], spool: string): Promise<Check[]> {
  const list = /Jail list:\s*(.*)/.exec((await ask('status')) ?? '')?.[1] ?? ''
  const jails = list.split(/[\s,]+/).filter((name) => name !== '' && !meshJails.includes(name))
  const telling: string[] = []
  for (const jail of jails) {
    if (actionsOf((await ask('get', jail, 'actions')) ?? '').includes('banmesh')) telling.push(jail)
  }
  if (telling.length === 0) {
    const fix =
      'in jail.local, under the jail that detects attacks: action = %(action_)s, and banmesh in the next line, indented; then restart fail2ban'
    return [problem('action', 'no jail tells banmesh: friends hear nothing from this node', fix)]
  }
  const told = fine('action', `${telling.join(', ')} ${telling.length === 1 ? 'tells' : 'tell'} the mesh`)
  const checks = await Promise.all(telling.map((jail) => checkSpool(ask, jail, spool)))
  return [told, ...checks.flat()]
}

/** The action leaves events in a folder; in another than the daemon's they stay for ever. */
async function checkSpool(ask: Ask, jail: string, expected: string): Promise<Check[]> {
  const found = (await ask('get', jail, 'action', 'banmesh', 'spool'))?.trim()
  // Without one it calls the command; an older action does not know it.
  if (!found || real(found) === real(expected)) return []
  const message = `the action banmesh of ${jail} leaves its events in ${printable(found)}, and the daemon reads ${expected}`
  const fix = `in jail.local, under [${jail}]: banmesh[spool="${expected}"] as the action; until the next restart this will do`
  return [problem('spool', message, fix, `fail2ban-client set ${jail} action banmesh spool ${quoted(expected)}`)]
}
