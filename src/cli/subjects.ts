/** Subjects on the command line: junk is wrong usage, and is found before the daemon is asked. */
import { parseCidr } from '../core/cidr.ts'
import { parseSubject, type Subject } from '../core/subject.ts'
import type { Reply } from './context.ts'
import { failed } from './outcome.ts'
import { printable } from './text.ts'

export function readSubject(text: string): Reply<Subject> {
  const subject = parseSubject(text)
  if (subject.ok) return subject
  if (subject.reason === 'over-wide') {
    const message = `${parseCidr(text)} is too wide`
    return failed(4, 'over-wide', message, 'the widest subjects are a /24 (IPv4) and a /48 (IPv6)')
  }
  return failed(2, 'junk-subject', `${printable(text).slice(0, 64)} is not an IP address or CIDR`)
}
