/** The shipped files, installed for a test's own server. */
import { equal } from 'node:assert/strict'
import { join } from 'node:path'
import { installFiles, writeInstallFiles, type InstallOptions } from '../../src/fail2ban/install.ts'

/** Installs below `dir`, whose `etc/fail2ban` is the server's configuration. */
export async function installInto(dir: string, options: InstallOptions = {}): Promise<void> {
  const files = installFiles({ logPath: join(dir, 'log/bans.log'), fail2banDir: join(dir, 'etc/fail2ban'), ...options })
  equal(files.ok, true)
  const written = await writeInstallFiles(dir, files.ok ? files.value : [])
  equal(written.ok, true)
}

/** What fail2ban would give to `sh -c` for one of the action's commands, with the tags' values where it would put them. */
export function actionScript(
  command: string,
  tags: Readonly<Record<string, string>>,
  options: InstallOptions = {}
): string {
  const files = installFiles(options)
  const text = files.ok ? files.value.find(({ path }) => path.endsWith('action.d/banmesh.conf'))!.content : ''
  const values = new Map([...text.matchAll(/^(\w+) = ?(.*(?:\n[ \t]+.*)*)/gm)].map(([, key, value]) => [key!, value!]))
  let script = values.get(command)!
  // Its parameters and then what it knows of the ban: fail2ban does not look for tags in the latter.
  for (let i = 0; i < 3; i++) script = script.replaceAll(/<(\w+)>/g, (tag, name: string) => values.get(name) ?? tag)
  return script.replaceAll(/<(\w+)>/g, (tag, name: string) => tags[name] ?? tag).replaceAll('%%', '%')
}
