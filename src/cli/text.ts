/** Words for people: safe text, percent, times. */

/** Without control characters and invisible ones, which could move the cursor or turn the line around. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
}

export function percent(value: number): string {
  return `${value} %`
}

/** `45s`, `9m 58s`, `1h 5m`, `6d 23h`: the two largest units. */
export function formatSpan(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's']
  ] as const
  const first = Math.max(
    0,
    parts.findIndex(([count]) => count > 0)
  )
  const shown = whole === 0 ? parts.slice(3) : parts.slice(first, first + 2).filter(([count]) => count > 0)
  return shown.map(([count, unit]) => `${count}${unit}`).join(' ')
}

/** `until` in Unix seconds, `now` in Unix ms. */
export function formatUntil(until: number | null, now: number): string {
  if (until === null) return '-'
  const seconds = until - Math.floor(now / 1000)
  return seconds <= 0 ? 'ended' : `in ${formatSpan(seconds)}`
}

/** `seen` in Unix seconds, `now` in Unix ms. */
export function formatAgo(seen: number | null, now: number): string {
  return seen === null ? 'never' : `${formatSpan(Math.floor(now / 1000) - seen)} ago`
}
