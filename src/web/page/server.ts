/** Asking the daemon: answers in the shapes of api.ts, refusals as values. */
import type {
  BanForm,
  EntryForm,
  FriendForm,
  HistoryPoint,
  IdForm,
  Overview,
  SubjectForm,
  VerdictPage,
  VerdictQuery,
  WhyView
} from '../api.ts'

export interface Refusal {
  /** 0: nobody answers. */
  readonly status: number
  readonly message: string
}

export type Asked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal }

const TIMEOUT_MS = 20_000

export function overview(): Promise<Asked<Overview>> {
  return ask('GET', '/api/overview')
}

export function history(): Promise<Asked<HistoryPoint[]>> {
  return ask('GET', '/api/history')
}

export function verdicts({ state, text, after, limit }: VerdictQuery): Promise<Asked<VerdictPage>> {
  return ask('GET', `/api/verdicts?${new URLSearchParams({ state, text, after, limit: String(limit) }).toString()}`)
}

export function why(subject: string): Promise<Asked<WhyView>> {
  return ask('GET', `/api/why/${encodeURIComponent(subject)}`)
}

/** Whether the token is the right one. */
export function session(token: string): Promise<Asked<object>> {
  return ask('GET', '/api/session', { token })
}

export function allowlist(token: string): Promise<Asked<string[]>> {
  return ask('GET', '/api/allowlist', { token })
}

/** With a subject. */
export type Action = 'ban' | 'unban' | 'forget-veto'
/** Without. */
export type Switch = 'pause' | 'resume' | 'flush'

/** What each setting takes. */
export interface Settings {
  readonly friend: FriendForm
  readonly 'friend/remove': IdForm
  readonly allow: EntryForm
  readonly disallow: EntryForm
}

export function act(
  action: Action | Switch | keyof Settings,
  body: BanForm | SubjectForm | Settings[keyof Settings] | object,
  token: string
): Promise<Asked<object>> {
  return ask('POST', `/api/${action}`, { token, body })
}

async function ask<T>(
  method: string,
  path: string,
  { token, body }: { token?: string; body?: object } = {}
): Promise<Asked<T>> {
  try {
    const response = await fetch(path, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' })
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS)
    })
    const answer = (await response.json()) as T & { error?: { message: string; hint?: string } }
    if (response.ok) return { ok: true, value: answer }
    const { message = `the daemon answers ${response.status}`, hint } = answer.error ?? {}
    return refused(response.status, hint === undefined ? message : `${message} (${hint})`)
  } catch {
    return refused(0, 'the daemon does not answer')
  }
}

function refused(status: number, message: string): Asked<never> {
  return { ok: false, refusal: { status, message } }
}
