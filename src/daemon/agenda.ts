/**
 * What has to be judged, and when: what was asked for and what each friend has changed, one of each in turn, so that
 * whoever changes a thousand subjects at once waits behind its own. None of it is stored: after a rollback it is judged again.
 */
import type { PeerId } from '../core/report.ts'
import type { Subject } from '../core/subject.ts'

export interface AgendaOptions {
  /** Judges a subject anew, inside the transaction; returns how many claims had to be looked at. */
  review(subject: Subject): number
  /** Unix ms. */
  now(): number
}

export interface Agenda {
  /** A friend has changed these. */
  add(friend: PeerId, subjects: Iterable<Subject>): void
  /** Subjects that a friend has changed and that are not judged yet. */
  backlog(friend: PeerId): number
  /** To be judged because policy, friends or time have changed. False if the ledger failed. */
  ask(subjects: Iterable<Subject>): Promise<boolean>
  /** Judges all of `own`, then at least one of what waits, then as much as one turn may take. */
  judge(own: Iterable<Subject>, isOver: () => boolean): void
  /** What was judged is in the ledger; returns how many subjects. */
  committed(): number
  rolledBack(): void
  /** `resting`: there is work, but not now. */
  state(): 'empty' | 'ready' | 'resting'
  stop(): void
}

/** Claims looked at by the judgements of one turn (about 10 us each), by whatever clock. */
const TURN_EVIDENCE = 2000
/** A subject with more claims is dear to judge, and one claim more or less seldom matters: ... */
const HEAVY_CLAIMS = 100
/** ... so however fast friends add claims, it is judged once in so many milliseconds. */
const HEAVY_REST_MS = 1000
/** The source of what was asked for. */
const ASKED = 'asked'

type Source = PeerId | typeof ASKED

interface Request {
  /** Those that are not judged yet. */
  readonly subjects: Set<Subject>
  readonly done: (judged: boolean) => void
}

interface Rest {
  /** Unix ms. */
  readonly since: number
  /** Who has changed it meanwhile. */
  readonly changedBy: PeerId | null
}

export function createAgenda({ review, now }: AgendaOptions): Agenda {
  /** In the order of their turns. */
  const waiting = new Map<Source, Set<Subject>>()
  const resting = new Map<Subject, Rest>()
  let requests: Request[] = []
  /** Judged in this turn, and on whose account. */
  const judged = new Map<Subject, Source | null>()

  function put(source: Source, subject: Subject): void {
    const subjects = waiting.get(source)
    if (subjects === undefined) waiting.set(source, new Set([subject]))
    else subjects.add(subject)
  }

  function change(friend: PeerId, subject: Subject): void {
    const rest = resting.get(subject)
    if (rest === undefined) put(friend, subject)
    else resting.set(subject, { ...rest, changedBy: friend })
  }

  /** Also if the clock was set back. */
  function wake(): void {
    const at = now()
    for (const [subject, { since, changedBy }] of resting) {
      if (Math.abs(at - since) < HEAVY_REST_MS) continue
      resting.delete(subject)
      if (changedBy !== null) put(changedBy, subject)
    }
  }

  function take(): { source: Source; subject: Subject } | null {
    for (const [source, subjects] of waiting) {
      waiting.delete(source)
      for (const subject of subjects) {
        subjects.delete(subject)
        if (subjects.size > 0) waiting.set(source, subjects)
        return { source, subject }
      }
    }
    return null
  }

  function judge(subject: Subject, source: Source | null): number {
    const changedBy = resting.get(subject)?.changedBy ?? null
    judged.set(subject, source ?? changedBy)
    for (const subjects of waiting.values()) subjects.delete(subject)
    const claims = review(subject)
    if (claims > HEAVY_CLAIMS) resting.set(subject, { since: now(), changedBy: null })
    return claims
  }

  return {
    add(friend, subjects) {
      for (const subject of subjects) change(friend, subject)
    },
    backlog: (friend) => waiting.get(friend)?.size ?? 0,
    ask(subjects) {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const request = { subjects: new Set(subjects), done: resolve }
      requests.push(request)
      for (const subject of request.subjects) put(ASKED, subject)
      return promise
    },
    judge(own, isOver) {
      wake()
      let looked = 0
      for (const subject of own) looked += judge(subject, null)
      do {
        const next = take()
        if (next === null) return
        if (!judged.has(next.subject)) looked += judge(next.subject, next.source)
      } while (looked < TURN_EVIDENCE && !isOver())
    },
    committed() {
      const { size } = judged
      const open: Request[] = []
      for (const request of requests) {
        for (const subject of judged.keys()) request.subjects.delete(subject)
        if (request.subjects.size > 0) open.push(request)
        else request.done(true)
      }
      requests = open
      judged.clear()
      return size
    },
    rolledBack() {
      for (const [subject, source] of judged) if (source !== null && source !== ASKED) change(source, subject)
      judged.clear()
      waiting.delete(ASKED)
      for (const { done } of requests.splice(0)) done(false)
    },
    state() {
      if (waiting.values().some(({ size }) => size > 0) || requests.length > 0) return 'ready'
      return resting.values().some(({ changedBy }) => changedBy !== null) ? 'resting' : 'empty'
    },
    stop() {
      for (const { done } of requests.splice(0)) done(false)
    }
  }
}
