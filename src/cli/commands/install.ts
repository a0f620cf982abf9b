/** `install`: the files of fail2ban, systemd and logrotate, shell completion, the manual page. */
import { resolve } from 'node:path'
import type { Installation } from '../../daemon/install.ts'
import { configPath, readConfig, type Context } from '../context.ts'
import { done, failed, type Failed, type Outcome } from '../outcome.ts'

export async function install(
  context: Context,
  { root, print = false }: { root: string; print?: boolean }
): Promise<Outcome> {
  const { installFiles, installOptions, leaveWatchedLog, unitNotes, writeInstallFiles } =
    await import('../../daemon/install.ts')
  const folder = resolve(context.cwd, root)
  const configured = await readConfigured(context)
  if (configured !== null && 'ok' in configured) return configured
  const installation: Installation = { root: folder, program: runningProgram(context), configured }
  const options = installOptions(installation)
  const shipped = installFiles(options)
  if (!shipped.ok) {
    const hint = 'fail2ban and logrotate take letters, digits and . _ / + @ : - in a path'
    const paths = [options.logPath, options.auditPath].filter((path) => typeof path === 'string')
    return failed(1, shipped.reason, `the path of handoff.log can't stand in their files: ${paths.join(', ')}`, hint)
  }
  const files = [...shipped.value, ...(await generatedFiles())]
  const notes = unitNotes(installation).map((note) => `banmesh: warning: ${note}`)
  if (print) {
    const texts = files.map(({ path, content }) => `# --- ${path}\n${content}`)
    return done(files, texts.join('\n').trimEnd(), { notes })
  }
  const written = await writeInstallFiles(folder, files)
  if (!written.ok)
    return failed(1, written.reason, `can't write below ${folder}`, 'be root, or name another folder: --root DIR')
  const next = [
    'next: put the action into a jail that detects attacks, in /etc/fail2ban/jail.local, and restart fail2ban:',
    '  [sshd]',
    '  action = %(action_)s',
    '           banmesh'
  ]
  const log = leaveWatchedLog(installation)
  const by = configured === null ? 'no config was found: the files are as shipped' : `as ${configured.path} says:`
  const lines = [by, ...written.value.map((path) => `wrote ${path}`)]
  const left = log?.state === 'left' ? [log.path] : []
  lines.push(...left.map((path) => `wrote ${path}, empty: fail2ban looks for it before the daemon has a ban`))
  if (log?.state === 'missing') {
    notes.push(`banmesh: warning: ${log.path} can't be made: start the daemon before fail2ban, which looks for it once`)
  }
  const json = { written: [...written.value, ...left] }
  return done(json, [...lines, '', ...next].join('\n'), { notes })
}

/** Null: there is no config. A machine may be prepared before it has one. */
async function readConfigured(context: Context): Promise<Installation['configured'] | Failed> {
  const path = await configPath(context)
  if (!path.ok) return null
  const read = await readConfig(context)
  return read.ok ? { path: path.value, config: read.value.config } : read
}

function runningProgram({ cwd, banmesh: [node, script = ''] }: Context): readonly [string, string] {
  return [node, resolve(cwd, script)]
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
