/** What a ban is about: one address, or one CIDR that is not wider than the protocol allows, in canonical spelling. */
import { cidrFromBytes, parseCidr, type Cidr, type CidrBytes } from './cidr.ts'
import { PROTOCOL_LIMITS } from './limits.ts'
import { ok, refuse, type Result } from './result.ts'

export type Subject = Cidr & { readonly __subject: true }

export type SubjectRefusal = 'junk-subject' | 'over-wide'

/** Reads what a person or a program wrote. */
export function parseSubject(text: string): Result<Subject, SubjectRefusal> {
  return narrow(parseCidr(text))
}

/** Reads what a peer sent. Other spellings are folded: whoever welcomes only the canonical one has to compare. */
export function subjectFromBytes(bytes: CidrBytes): Result<Subject, SubjectRefusal> {
  return narrow(cidrFromBytes(bytes))
}

function narrow(cidr: Cidr | null): Result<Subject, SubjectRefusal> {
  if (cidr === null) return refuse('junk-subject')
  const slash = cidr.indexOf('/')
  const widest = cidr.includes(':') ? PROTOCOL_LIMITS.minPrefixV6 : PROTOCOL_LIMITS.minPrefixV4
  return slash >= 0 && Number(cidr.slice(slash + 1)) < widest ? refuse('over-wide') : ok(cidr as Subject)
}
