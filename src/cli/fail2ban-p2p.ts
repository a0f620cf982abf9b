/**
 * The friends of a fail2ban-p2p node: a folder with a file for each, named like the friend, in which `key = value` lines
 * stand before an RSA public key. Address, port and trust can be taken over. The key can't: it is of another kind, and a
 * banmesh peer ID comes from the key that `banmesh init` makes there. So this lists what each friend still has to send.
 */
export interface OldFriend {
  readonly name: string
  readonly address: string
  /** fail2ban-p2p's, not banmesh's. */
  readonly port: number
  /** Percent. */
  readonly trust: number
}

/** Bytes of a friend's file: a few lines and a key. */
export const FRIEND_BYTES = 64 * 1024

/** The friend, or what is wrong with the file. */
export function parseOldFriend(name: string, content: string): OldFriend | { readonly wrong: string } {
  const values = new Map<string, string>()
  for (const line of content.slice(0, FRIEND_BYTES).split(/\r?\n/)) {
    const [key, value] = halves(line)
    if (/^\w+$/.test(key)) values.set(key.toLowerCase(), value)
  }
  const address = values.get('address')
  const port = Number(values.get('port'))
  const trust = Number(values.get('trustlevel') ?? Number.NaN)
  if (address === undefined || !/^[A-Za-z0-9.:_-]{1,253}$/.test(address)) return { wrong: 'address is missing or odd' }
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return { wrong: 'port is missing or odd' }
  if (!(trust >= 0 && trust <= 100)) return { wrong: 'trustlevel is missing, or not from 0 to 100' }
  return { name, address, port, trust }
}

/** What stands before and after the first `=`, without the spaces around it. Not by one expression: that takes quadratic time. */
function halves(line: string): [string, string] {
  const at = line.indexOf('=')
  return at === -1 ? ['', ''] : [line.slice(0, at).trim(), line.slice(at + 1).trim()]
}
