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
