/** Which run of fail2ban's server is there: without asking it, and without the right to. */
import { statSync } from 'node:fs'

/**
 * A text that is another one after every start of the server, or null if there is no socket to be seen. Every start makes
 * the socket anew; the number alone would not do, for a file system may give it out again.
 */
export function fail2banInstance(socket: string): string | null {
  try {
    const { dev, ino, mtimeNs } = statSync(socket, { bigint: true })
    return `${dev}:${ino}:${mtimeNs}`
  } catch {
    return null
  }
}
