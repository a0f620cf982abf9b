/** `install`: the files of fail2ban, systemd and logrotate, shell completion, the manual page. */
import { resolve } from 'node:path'
import { configPath, readConfig, type Context } from '../context.ts'
import { done, failed, type Failed, type Outcome } from '../outcome.ts'

export async function install(
  context: Context,
  { root, print = false }: { root: string; print?: boolean }
): Promise<Outcome> {
  const { installFiles, writeInstallFiles } = await import('../../daemon/install.ts')
  const logs = await configuredLogs(context)
  if ('ok' in logs) return logs
  const shipped = installFiles(logs)
  if (!shipped.ok) {
    const hint = 'fail2ban and logrotate take letters, digits and . _ / + @ : - in a path'
    const paths = Object.values(logs).filter((path) => path !== null)
    return failed(1, shipped.reason, `the path of handoff.log can't stand in their files: ${paths.join(', ')}`, hint)
  }
  const files = [...shipped.value, ...(await generatedFiles())]
  if (print) {
    const texts = files.map(({ path, content }) => `# --- ${path}\n${content}`)
    return done(files, texts.join('\n').trimEnd())
  }
  const folder = resolve(context.cwd, root)
  const written = await writeInstallFiles(folder, files)
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

interface Logs {
  readonly logPath?: string
  readonly auditPath?: string | null
}

/** The logs that the config names; none are the shipped ones. A machine may be prepared before it has a config. */
async function configuredLogs(context: Context): Promise<Logs | Failed> {
  const path = await configPath(context)
  if (!path.ok) return {}
  const read = await readConfig(context)
  if (!read.ok) return read
  const { auditPath } = await import('../../daemon/audit-path.ts')
  const { log } = read.value.config.handoff
  return { ...(log === null ? {} : { logPath: log.path }), auditPath: auditPath(read.value.config) }
}

/** Made from the program itself, where an administrator's own files go. */
async function generatedFiles(): Promise<{ path: string; mode: number; content: string }[]> {
  const [{ describeProgram }, { bashCompletion, fishCompletion, zshCompletion }, { manualPage }] = await Promise.all([
    import('../syntax.ts'),
    import('../completion.ts'),
    import('../manual.ts')
  ])
  const syntax = await describeProgram()
  const files = {
    'etc/bash_completion.d/banmesh': bashCompletion(syntax),
    'usr/local/share/zsh/site-functions/_banmesh': zshCompletion(syntax),
    'etc/fish/completions/banmesh.fish': fishCompletion(syntax),
    'usr/local/share/man/man1/banmesh.1': manualPage(syntax)
  }
  return Object.entries(files).map(([path, content]) => ({ path, mode: 0o644, content }))
}
