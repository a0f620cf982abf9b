/** logrotate: whether the shipped file is there, is for the logs and for whose they are, and is taken. */
import { readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Config } from '../../daemon/config.ts'
import { fine, quoted, warning, type Check } from './check.ts'
import { runCommand } from './command.ts'

/** `root`: below which the file is looked for. */
export async function checkRotation(config: Config, logs: readonly string[], root: string): Promise<Check[]> {
  const path = join(root, 'etc/logrotate.d/banmesh')
  const text = textOf(path)
  const run = `banmesh install${root === '/' ? '' : ` --root ${quoted(root)}`}`
  const uncovered = logs.filter((log) => stanzaOf(text, log) === null)
  const checks = uncovered.map((log) => {
    const size = statSync(log, { throwIfNoEntry: false })?.size ?? 0
    const message = `nothing rotates ${log} (${Math.ceil(size / 1e6)} MB)`
    return warning('rotation', message, 'write the shipped logrotate file', run)
  })
  const covered = logs.filter((log) => !uncovered.includes(log))
  if (covered.length === 0) return checks
  const refusal = await refusalOf(path)
  if (refusal !== null) {
    const message = `logrotate does not take ${path}: ${refusal}`
    return [...checks, warning('rotation', message, 'write the shipped logrotate file', run)]
  }
  const { rotateAs } = await import('../../daemon/install.ts')
  for (const log of covered) {
    const folder = dirname(log)
    const [owner = 'root'] = rotateAs(folder, config, root)?.split(' ') ?? []
    const [, user = 'root'] = /^\s*su\s+(\S+)/m.exec(stanzaOf(text, log) ?? '') ?? []
    if (user === owner) checks.push(fine('rotation', `logrotate takes care of ${log}`))
    else {
      const message = `${path} is for logs of ${user}, and ${folder} belongs to ${owner}`
      checks.push(warning('rotation', message, 'write the logrotate file anew, for whom it belongs to', run))
    }
  }
  return checks
}

/** The part that takes in the log, without its first line. */
function stanzaOf(text: string, log: string): string | null {
  for (const [, names = '', body = ''] of text.matchAll(/^(\/.*) \{\n((?:.*\n)*?)\}$/gm)) {
    if (names.split(/\s+/).some((name) => name === log || (log.endsWith('.log') && name === `${dirname(log)}/*.log`)))
      return body
  }
  return null
}

/** What logrotate has against the file, if it is here and we are root, as it will be; it changes nothing then. */
async function refusalOf(path: string): Promise<string | null> {
  if (process.geteuid?.() !== 0) return null
  const { stderr } = await runCommand('logrotate', ['--debug', '--state', '/dev/null', path])
  // It ends well although it has passed over a file that others may write.
  return /^error: (.*)$/m.exec(stderr)?.[1] ?? null
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
