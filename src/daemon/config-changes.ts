/** What may be changed in the config's lists by a word of the operator's, and why not: for the commands and the dashboard. */
import { parseCidr } from '../core/cidr.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import { addAllowed, findFriends, listAllowed, removeAllowed } from './config-edit.ts'

type Edit<Reason extends string> = (text: string) => Result<string, Reason>

/** `who`: a peer ID or a name. `edit` gets the friend's position. */
export function friendEdit(
  who: string,
  edit: (text: string, index: number) => string
): Edit<'no-such-friend' | 'ambiguous-friend'> {
  return (text) => {
    const [index, ...more] = findFriends(text, who)
    if (index === undefined) return refuse('no-such-friend')
    return more.length > 0 ? refuse('ambiguous-friend') : ok(edit(text, index))
  }
}

export function allowEdit(entry: string): Edit<'duplicate'> {
  return (text) =>
    listAllowed(text).some((known) => sameEntry(known, entry)) ? refuse('duplicate') : ok(addAllowed(text, entry))
}

export function disallowEdit(entry: string): Edit<'absent'> {
  return (text) => {
    const index = listAllowed(text).findIndex((known) => sameEntry(known, entry))
    return index < 0 ? refuse('absent') : ok(removeAllowed(text, index))
  }
}

/** As written in the file; an address or CIDR that is spelled differently is the same. */
function sameEntry(a: unknown, b: string): boolean {
  if (a === b) return true
  const canonical = parseCidr(String(a))
  return canonical === null ? String(a).toLowerCase() === b.toLowerCase() : canonical === parseCidr(b)
}
