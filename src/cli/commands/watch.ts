/** `watch`: what happens, a line each, until Ctrl-C. With `--json` each line is a document. */
import type { LiveEvent } from '../../control/api.ts'
import { readLines } from '../../control/stream.ts'
import { controlPath, explain, type Context } from '../context.ts'
import { failed, type Outcome } from '../outcome.ts'
import { formatUntil, percent, printable } from '../text.ts'

export async function watch(context: Context): Promise<Outcome | null> {
  const socket = await controlPath(context)
  if (!socket.ok) return socket
  const stopped = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort())
  const ended = await readLines({
    socketPath: socket.value,
    path: '/v1/events',
    signal: stopped.signal,
    line: (text) => context.line(context.json ? text : describe(JSON.parse(text) as LiveEvent))
  })
  if (!ended.ok) return explain(context, ended, socket.value)
  if (stopped.signal.aborted) return null
  return failed(3, 'ended', 'the daemon has ended, or this command was too slow to read', 'banmesh status says more')
}

/** In the terminal's time zone. */
function clock(at: number): string {
  return new Date(at).toTimeString().slice(0, 8)
}

function describe(event: LiveEvent): string {
  return printable(`${clock(event.at)}  ${sentence(event)}`)
}

function sentence(event: LiveEvent): string {
  const { at, kind, subject, score, until, origins, jail, name, reason } = event
  const said = `score ${percent(score ?? 0)}, ${origins} ${origins === 1 ? 'origin' : 'origins'}, ${jail}`
  switch (kind) {
    case 'watching':
      return 'watching (Ctrl-C ends it)'
    case 'banned':
      return `banned       ${subject}  (${said}, ends ${formatUntil(until, at)})`
    case 'held':
      return `held         ${subject}  (${said}: ${reason})`
    case 'ended':
      return `ended        ${subject}  (${reason})`
    case 'handed-over':
      return `handed over  ${subject}  (to ${name})`
    case 'taken-back':
      return `taken back   ${subject}  (from ${name})`
    case 'connected':
      return `friend       ${name} is connected`
    case 'gone':
      return `friend       ${name} is gone`
    case 'alert':
      return `ALERT        ${subject}  (${reason}): somebody out there bans it; banmesh why says who`
    case 'command':
      return `command      ${name}${subject === null ? '' : ` ${subject}`}`
    case 'skipped':
      return `and ${reason} more in the same moment`
  }
}
