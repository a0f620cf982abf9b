/** Numbers, times and names as the page shows them. */

/** Peer IDs all begin alike: their end tells them apart. */
export function shortId(id: string): string {
  return id.length > 10 ? `…${id.slice(-6)}` : id
}

export function percent(value: number): string {
  return `${Math.round(value * 10) / 10} %`
}

export function count(value: number): string {
  return value.toLocaleString('en')
}

/** A length of time, in its largest unit. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min`
  if (whole < 2 * 86_400) return `${Math.floor(whole / 3600)} h`
  return `${Math.floor(whole / 86_400)} d`
}

/** `now`: Unix ms. */
export function ago(at: number, now: number): string {
  return now - at < 1500 ? 'now' : `${span((now - at) / 1000)} ago`
}

/** A Unix time in seconds, in the reader's own zone. */
export function moment(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString()
}

const REASONS: Readonly<Record<string, string>> = {
  accepted: 'the friends’ word reaches the threshold',
  own: 'this node bans it itself',
  'below-threshold': 'the friends’ word is below the threshold',
  'below-quorum': 'too few friends stand behind it',
  'no-evidence': 'nobody says that it should be banned',
  observed: 'only observed friends say so',
  vetoed: 'you have unbanned it: a veto',
  allowlisted: 'it is on the allowlist',
  reserved: 'it is in a special-purpose range',
  'own-address': 'it is an address of this server',
  'friend-address': 'it is an address of a friend'
}

export function reasonText(reason: string): string {
  return REASONS[reason] ?? reason
}

/** Cut to `length` characters. */
export function shorten(text: string, length: number): string {
  const letters = Array.from(text)
  return letters.length <= length ? text : `${letters.slice(0, length - 1).join('')}…`
}
