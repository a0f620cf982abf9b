/** `install`: the files of fail2ban, systemd and logrotate. */
import { resolve } from 'node:path'
import { configPath, readConfig, type Context } from '../context.ts'
import { done, failed, type Failed, type Outcome } from '../outcome.ts'

export async function install(
  context: Context,
  { root, print = false }: { root: string; print?: boolean }
): Promise<Outcome> {
  const { installFiles, writeInstallFiles } = await import('../../daemon/install.ts')
  const logPath = await configuredLog(context)
  if (typeof logPath === 'object') return logPath
  const files = installFiles(logPath === undefined ? {} : { logPath })
  if (!files.ok) {
    const hint = 'fail2ban and logrotate take letters, digits and . _ / + @ : - in a path'
    return failed(1, files.reason, `the path of handoff.log can't stand in their files: ${logPath}`, hint)
  }
  if (print) {
    const texts = files.value.map(({ path, content }) => `# --- ${path}\n${content}`)
    return done(files.value, texts.join('\n').trimEnd())
  }
  const folder = resolve(context.cwd, root)
  const written = await writeInstallFiles(folder, files.value)
  if (!written.ok)
    return failed(1, written.reason, `can't write below ${folder}`, 'be root, or name another folder: --root DIR')
  const next = [
    'next: put the action into a jail that detects attacks, in /etc/fail2ban/jail.local, and restart fail2ban:',
    '  [sshd]',
    '  action = %(action_)s',
    '           banmesh'
  ]
  return done({ written: written.value }, [...written.value.map((path) => `wrote ${path}`), '', ...next].join('\n'))
}

/** The watched log that the config names; undefined is the shipped one. A machine may be prepared before it has a config. */
async function configuredLog(context: Context): Promise<string | undefined | Failed> {
  const path = await configPath(context)
  if (!path.ok) return undefined
  const read = await readConfig(context)
  return read.ok ? read.value.config.handoff.log?.path : read
}
