/** The attacker: a namespace from which passwords are guessed and connections are tried. */
import type { Namespace } from './lab-namespaces.ts'
import { run } from './lab-processes.ts'

/** Seconds after which an attempt that gets no answer counts as such. */
const PATIENCE_SECONDS = 3

const SSH_OPTIONS = [
  'StrictHostKeyChecking=no',
  'UserKnownHostsFile=/dev/null',
  'GlobalKnownHostsFile=/dev/null',
  'PreferredAuthentications=password',
  'NumberOfPasswordPrompts=1',
  'LogLevel=ERROR',
  `ConnectTimeout=${PATIENCE_SECONDS}`
].flatMap((option) => ['-o', option])

export type Attempt = 'open' | 'refused' | 'no answer'

export interface Attacker {
  readonly addresses: Namespace['addresses']
  /** Guesses `count` passwords in a row and fails unless sshd refused each of them. */
  guessPasswords(target: string, count: number): Promise<void>
  /** What a TCP connection to the target's port 22 comes to. */
  connect(target: string): Promise<Attempt>
}

export function createAttacker(namespace: Namespace): Attacker {
  const patient = (argv: string[]): string[] => namespace.inside(['timeout', String(PATIENCE_SECONDS), ...argv])
  return {
    addresses: namespace.addresses,
    async guessPasswords(target, count) {
      for (let i = 1; i <= count; i++) {
        // A valid account: fail2ban can count a wrong one twice.
        const ssh = ['ssh', '-F', 'none', ...SSH_OPTIONS, `nobody@${target}`, 'true']
        const { status, stderr } = await run(patient(['sshpass', '-p', `wrong-${i}`, ...ssh]))
        if (!stderr.includes('Permission denied')) throw new Error(`guess ${i}: exit status ${status}, ${stderr}`)
      }
    },
    async connect(target) {
      const { status, stderr } = await run(patient(['bash', '-c', 'exec 3<>"/dev/tcp/$0/22"', target]))
      if (status === 0) return 'open'
      // Reset: the ban came between the attacker's first packet and its second.
      if (/refused|reset by peer/.test(stderr)) return 'refused'
      if (status === 124) return 'no answer'
      throw new Error(`connecting to ${target}: exit status ${status}, ${stderr}`)
    }
  }
}
