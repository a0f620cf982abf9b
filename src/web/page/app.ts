/**
 * The state of the page and everything that changes it. What is on the screen is a function of the state; each change
 * calls `changed` once.
 */
import type { HistoryPoint, LiveEvent, Overview, VerdictQuery, VerdictRow, WhyView } from '../api.ts'
import * as server from './server.ts'

export type Theme = 'auto' | 'light' | 'dark'

export interface State {
  readonly overview: Overview | null
  readonly live: 'connecting' | 'live' | 'lost'
  /** The newest first. */
  readonly events: readonly LiveEvent[]
  readonly filter: Pick<VerdictQuery, 'state' | 'text'>
  /** Null: not read yet. */
  readonly rows: readonly VerdictRow[] | null
  readonly next: string | null
  readonly history: readonly HistoryPoint[]
  /** Null: not read, for it takes the token. */
  readonly allowlist: readonly string[] | null
  readonly why: { readonly subject: string; readonly answer: WhyView | null; readonly refusal: string | null } | null
  /** Null: read-only. */
  readonly token: string | null
  /** Whether the form for the token is open, and what is wrong with the last one. */
  readonly unlocking: { readonly wrong: string | null } | null
  readonly notice: { readonly kind: 'done' | 'failed'; readonly text: string } | null
  readonly theme: Theme
  /** Unix ms: what relative times are relative to. */
  readonly now: number
}

/** What the page needs of the browser. */
export interface Browser {
  readonly sessionStorage: Storage
  readonly localStorage: Storage
  readonly location: Location
  now(): number
  /** Calls back once, later. */
  later(work: () => void, ms: number): () => void
}

/** Events that the page keeps. */
const EVENTS = 100
const PAGE_ROWS = 50
/** Rows that are read anew when something has happened. */
const FRESH_ROWS = 200
/** Changes in this time are one look at the daemon. */
const REFRESH_MS = 300
const TYPING_MS = 200
const NOTICE_MS = 6000
const TOKEN_KEY = 'banmesh-token'
const THEME_KEY = 'banmesh-theme'

export type App = ReturnType<typeof createApp>

/** Of every part of the screen. */
export interface Props {
  readonly app: App
  readonly state: State
}

export function createApp(browser: Browser, changed: (state: State) => void) {
  let state: State = {
    overview: null,
    live: 'connecting',
    events: [],
    filter: { state: 'accepted', text: '' },
    rows: null,
    next: null,
    history: [],
    allowlist: null,
    why: null,
    token: null,
    unlocking: null,
    notice: null,
    theme: themeOf(browser.localStorage.getItem(THEME_KEY)),
    now: browser.now()
  }
  let refreshing: (() => void) | null = null
  let typing = (): void => {}
  let noticed = (): void => {}
  let search = 0
  /** The filter that the rows answer. */
  let shownBy: State['filter'] | null = null

  function set(patch: Partial<State>): void {
    state = { ...state, ...patch, now: browser.now() }
    changed(state)
  }

  function notice(kind: 'done' | 'failed', text: string): void {
    noticed()
    set({ notice: { kind, text } })
    noticed = browser.later(() => set({ notice: null }), NOTICE_MS)
  }

  async function readOverview(): Promise<void> {
    const answer = await server.overview()
    if (answer.ok) set({ overview: answer.value })
  }

  /**
   * The first rows anew; those behind them, which were asked for page by page, stay. An answer that a newer question has
   * overtaken is dropped.
   */
  async function readVerdicts(): Promise<void> {
    const mine = ++search
    const { filter } = state
    const shown = shownBy === filter ? (state.rows ?? []) : []
    const limit = Math.min(FRESH_ROWS, Math.max(PAGE_ROWS, shown.length))
    const answer = await server.verdicts({ ...filter, after: '', limit })
    if (mine !== search || !answer.ok) return
    const { rows, next } = answer.value
    // More may have been shown meanwhile.
    const behind = next === null || shownBy !== filter ? [] : (state.rows ?? []).filter(({ subject }) => subject > next)
    shownBy = filter
    set({ rows: [...rows, ...behind], next: behind.length > 0 ? state.next : next })
  }

  async function readWhy(): Promise<void> {
    const { why } = state
    if (why === null) return
    const answer = await server.why(why.subject)
    if (state.why?.subject !== why.subject) return
    set({
      why: answer.ok
        ? { subject: why.subject, answer: answer.value, refusal: null }
        : { subject: why.subject, answer: null, refusal: answer.refusal.message }
    })
  }

  async function readAllowlist(): Promise<void> {
    const { token } = state
    if (token === null) return
    const answer = await server.allowlist(token)
    if (answer.ok && state.token === token) set({ allowlist: answer.value })
  }

  /** Soon, once: after something has happened. */
  function refresh(): void {
    refreshing ??= browser.later(() => {
      refreshing = null
      void Promise.all([readOverview(), readVerdicts(), readWhy()])
    }, REFRESH_MS)
  }

  async function useToken(token: string): Promise<void> {
    const answer = await server.session(token)
    if (answer.ok) {
      browser.sessionStorage.setItem(TOKEN_KEY, token)
      set({ token, unlocking: null })
      await readAllowlist()
      return
    }
    browser.sessionStorage.removeItem(TOKEN_KEY)
    const wrong = answer.refusal.status === 401 ? 'That is not the token.' : answer.refusal.message
    set({ token: null, allowlist: null, unlocking: { wrong } })
  }

  /** With the token; says what has become of it. True if it was done. `about` stands before what was refused. */
  async function perform(
    action: Parameters<typeof server.act>[0],
    body: object,
    { done, about = '' }: { readonly done: string; readonly about?: string }
  ): Promise<boolean> {
    if (state.token === null) return false
    const answer = await server.act(action, body, state.token)
    if (answer.ok) notice('done', done)
    else notice('failed', about + answer.refusal.message)
    if (!answer.ok && answer.refusal.status === 401) lock()
    refresh()
    return answer.ok
  }

  function lock(): void {
    browser.sessionStorage.removeItem(TOKEN_KEY)
    set({ token: null, allowlist: null })
  }

  const app = {
    state: () => state,
    refresh,
    /** What changes by itself: relative times, counters. */
    async poll(): Promise<void> {
      set({})
      await (state.rows === null ? Promise.all([readOverview(), readVerdicts()]) : readOverview())
    },
    async readHistory(): Promise<void> {
      const answer = await server.history()
      if (answer.ok) set({ history: answer.value })
    },
    connected(live: State['live']): void {
      if (live === state.live) return
      set({ live })
      if (live === 'live') refresh()
    },
    happened(events: readonly LiveEvent[]): void {
      const known = new Set(state.events.map(({ id }) => id))
      const news = events.filter(({ id }) => !known.has(id)).toReversed()
      if (news.length === 0) return
      set({ events: [...news, ...state.events].slice(0, EVENTS) })
      refresh()
    },
    show(filter: Partial<State['filter']>): void {
      set({ filter: { ...state.filter, ...filter } })
      typing()
      typing = browser.later(() => void readVerdicts(), 'text' in filter ? TYPING_MS : 0)
    },
    async more(): Promise<void> {
      const { filter, next } = state
      if (next === null) return
      const answer = await server.verdicts({ ...filter, after: next, limit: PAGE_ROWS })
      if (!answer.ok || shownBy !== filter || state.next !== next) return
      set({ rows: [...(state.rows ?? []), ...answer.value.rows], next: answer.value.next })
    },
    /** By the address bar, so that an answer can be linked to, and Back closes it. */
    ask(subject: string): void {
      const text = subject.trim()
      if (text !== '') browser.location.hash = `why=${encodeURIComponent(text)}`
    },
    closeWhy(): void {
      if (state.why !== null) browser.location.hash = ''
    },
    /** What the part of the address after `#` asks for: an answer, or to be unlocked. */
    async followHash(): Promise<void> {
      const wanted = new URLSearchParams(browser.location.hash.slice(1))
      const token = wanted.get('token')
      if (token !== null) {
        // Out of the address bar and the history before anything else.
        browser.location.replace('#')
        await useToken(token)
      }
      const subject = wanted.get('why')
      set({ why: subject === null ? null : { subject, answer: null, refusal: null } })
      await readWhy()
    },
    async resume(): Promise<void> {
      const token = browser.sessionStorage.getItem(TOKEN_KEY)
      if (token !== null) await useToken(token)
    },
    openUnlock: () => set({ unlocking: { wrong: null } }),
    closeUnlock: () => set({ unlocking: null }),
    unlock: (token: string) => useToken(token.trim()),
    lock,
    /** True if it was done. */
    act: (action: server.Action, form: { readonly subject: string; readonly ttlSeconds?: number }) =>
      perform(
        action,
        { ...form, subject: form.subject.trim() },
        { done: `${DONE[action]} ${form.subject}`, about: `${form.subject}: ` }
      ),
    turn: (action: server.Switch) => perform(action, {}, { done: TURNED[action] }),
    /** Changes the config. `done`: what is said then. */
    async configure<Setting extends keyof server.Settings>(
      setting: Setting,
      form: server.Settings[Setting],
      done: string
    ): Promise<boolean> {
      const isDone = await perform(setting, form, { done })
      await readAllowlist()
      return isDone
    },
    setTheme(theme: Theme): void {
      browser.localStorage.setItem(THEME_KEY, theme)
      set({ theme })
    }
  }
  return app
}

const DONE: Readonly<Record<server.Action, string>> = {
  ban: 'Banned',
  unban: 'Unbanned',
  'forget-veto': 'No veto any more:'
}

const TURNED: Readonly<Record<server.Switch, string>> = {
  pause: 'Paused: nothing new is handed over',
  resume: 'Resumed: everything is handed over',
  flush: 'The bans of the mesh are taken back'
}

function themeOf(text: string | null): Theme {
  return text === 'light' || text === 'dark' ? text : 'auto'
}
