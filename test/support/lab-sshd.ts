/**
 * A real sshd in a namespace, with its own key and its own log. Without a syslog the harness stamps sshd's lines as
 * rsyslog would, so that fail2ban's stock filter reads them.
 */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Namespace } from './lab-namespaces.ts'
import { run, runOk, type Processes } from './lab-processes.ts'
import { until } from './until.ts'

export interface Sshd {
  /** The watched log of fail2ban's sshd jail. */
  readonly log: string
  /** The lines in which sshd refused a password from `address`, with the Unix time in ms at which it did. */
  refusals(address: string): { readonly at: number; readonly line: string }[]
}

export async function startSshd(processes: Processes, namespace: Namespace, folder: string): Promise<Sshd> {
  const hostKey = join(folder, 'hostkey')
  const config = join(folder, 'sshd_config')
  const log = join(folder, 'auth.log')
  mkdirSync('/run/sshd', { recursive: true })
  await runOk(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', hostKey])
  writeFileSync(log, '')
  writeFileSync(config, configText(hostKey))
  // One PID for all lines: fail2ban joins the lines of one session by it, and the attacker's sessions do not overlap.
  const stamp = (line: string): void =>
    appendFileSync(log, `${new Date().toISOString()} lab sshd[${sshd.pid}]: ${line.trimEnd()}\n`)
  const sshd = processes.start(namespace.inside(['/usr/sbin/sshd', '-D', '-e', '-f', config]), {
    log,
    onStderrLine: stamp
  })
  await until(async () => (await run(namespace.inside(['ss', '-Hltn', 'sport', '22']))).stdout.length > 0, 'sshd')
  return {
    log,
    refusals: (address) =>
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line.includes(`Failed password for nobody from ${address} `))
        .map((line) => ({ at: Date.parse(line.split(' ')[0]!), line }))
  }
}

/** With PAM a wrong password costs three seconds. */
function configText(hostKey: string): string {
  return `ListenAddress 0.0.0.0:22
ListenAddress [::]:22
HostKey ${hostKey}
PidFile none
UsePAM no
UseDNS no
StrictModes no
PasswordAuthentication yes
KbdInteractiveAuthentication no
MaxStartups 100
LoginGraceTime 20
LogLevel VERBOSE
`
}
