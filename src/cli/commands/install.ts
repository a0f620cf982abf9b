/** `install`: the files of fail2ban, systemd and logrotate, shell completion, the manual page. */
import { join, resolve } from 'node:path'
import type { InstallOptions } from '../../daemon/install.ts'
import { configPath, readConfig, type Context } from '../context.ts'
import { done, failed, type Failed, type Outcome } from '../outcome.ts'

export async function install(
  context: Context,
  { root, print = false }: { root: string; print?: boolean }
): Promise<Outcome> {
  const { installFiles, writeInstallFiles } = await import('../../daemon/install.ts')
  const configured = await configuredPaths(context)
  if ('ok' in configured) return configured
  const shipped = installFiles(configured)
  if (!shipped.ok) {
    const hint = 'fail2ban and logrotate take letters, digits and . _ / + @ : - in a path'
    const paths = [configured.logPath, configured.auditPath].filter((path) => typeof path === 'string')
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

/** What the config names; what it does not is as shipped. A machine may be prepared before it has a config. */
async function configuredPaths(context: Context): Promise<InstallOptions | Failed> {
  const path = await configPath(context)
  if (!path.ok) return {}
  const read = await readConfig(context)
  if (!read.ok) return read
  const { auditPath } = await import('../../daemon/audit-path.ts')
  const { config } = read.value
  const { log } = config.handoff
  return {
    ...(log === null ? {} : { logPath: log.path }),
    auditPath: auditPath(config),
    spool: { path: join(config.dataDir, 'spool'), config: path.value }
  }
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
