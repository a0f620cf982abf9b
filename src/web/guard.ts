/**
 * Who may ask, and what a browser may do with the answer.
 *
 * The dashboard has no cookies, so a foreign page can't act in the operator's name; but by DNS rebinding it could read.
 * That takes a host name of the attacker's, so requests that name us by anything but an IP address or `localhost` are
 * refused. What changes something also needs the token, and if a browser says where it comes from, our own page.
 */
import { isIP } from 'node:net'

/** For every answer. Trusted Types: nothing may turn text into markup, not even a library. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'"
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin'
}

/** Whether a `Host` header names us by address, so that no resolver was asked for it. */
export function isOwnHost(host: string | undefined): boolean {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::\d{1,5})?$/.exec(host ?? '')
  if (match === null) return false
  const [, ipv6, name = ''] = match
  return ipv6 === undefined ? name.toLowerCase() === 'localhost' || isIP(name) === 4 : isIP(ipv6) === 6
}

/** Whether a request that would change something comes from our own page, or from no page at all. */
export function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  return origin === undefined || origin === `http://${host}` || origin === `https://${host}`
}
