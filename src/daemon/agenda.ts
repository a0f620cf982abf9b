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
  /**
   * We have changed these, in this transaction: they come before all others. Resolves when they are judged; false if it is
   * rolled back, or we stop before.
   */
  own(subjects: Iterable<Subject>): Promise<boolean>
  /** To be judged because policy, friends or time have changed. False if the ledger failed. */
  ask(subjects: Iterable<Subject>): Promise<boolean>
  /** Judges at least one of our own and one of what else waits, and as much as one turn may take. */
  judge(isOver: () => boolean): void
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
/** The sources of our own word, and of what was asked for. */
const OWN = 'own'
const ASKED = 'asked'

type Source = PeerId | typeof OWN | typeof ASKED

interface Request {
  readonly source: typeof OWN | typeof ASKED
  /** Those that are not judged yet. */
  readonly subjects: Set<Subject>
  readonly done: (judged: boolean) => void
  /** Of our own word: it is in the ledger. */
  readonly isKept: boolean
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
  /** Judged in this turn, and a friend who had changed it, if any. */
  const judged = new Map<Subject, PeerId | null>()

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

  function enter(source: typeof OWN | typeof ASKED, subjects: Iterable<Subject>): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const asked = { source, subjects: new Set(subjects), done: resolve, isKept: false }
    requests.push(asked)
    for (const subject of asked.subjects) put(source, subject)
    return promise
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

  function takeOf(source: Source): Subject | undefined {
    const subjects = waiting.get(source)
    const subject = subjects?.values().next().value
    if (subject !== undefined) subjects!.delete(subject)
    return subject
  }

  /** Of who has waited longest for its turn, and then waits again. */
  function take(): { source: Source; subject: Subject } | null {
    for (const [source, subjects] of waiting) {
      if (source === OWN) continue
      const subject = takeOf(source)
      waiting.delete(source)
      if (subjects.size > 0) waiting.set(source, subjects)
      if (subject !== undefined) return { source, subject }
    }
    return null
  }

  function judge(subject: Subject, source: Source): number {
    let changedBy = isFriend(source) ? source : (resting.get(subject)?.changedBy ?? null)
    for (const [other, subjects] of waiting) {
      if (subjects.delete(subject) && isFriend(other)) changedBy = other
    }
    judged.set(subject, changedBy)
    const claims = review(subject)
    if (claims > HEAVY_CLAIMS) resting.set(subject, { since: now(), changedBy: null })
    return claims
  }

  return {
    add(friend, subjects) {
      for (const subject of subjects) change(friend, subject)
    },
    backlog: (friend) => waiting.get(friend)?.size ?? 0,
    own: (subjects) => enter(OWN, subjects),
    ask: (subjects) => enter(ASKED, subjects),
    judge(isOver) {
      wake()
      let looked = 0
      const isFull = (): boolean => looked >= TURN_EVIDENCE || isOver()
      do {
        const subject = takeOf(OWN)
        if (subject === undefined) break
        looked += judge(subject, OWN)
      } while (!isFull())
      do {
        const next = take()
        if (next === null) return
        if (!judged.has(next.subject)) looked += judge(next.subject, next.source)
      } while (!isFull())
    },
    committed() {
      const { size } = judged
      const open: Request[] = []
      for (const request of requests) {
        for (const subject of judged.keys()) request.subjects.delete(subject)
        if (request.subjects.size > 0) open.push({ ...request, isKept: request.source === OWN })
        else request.done(true)
      }
      requests = open
      judged.clear()
      return size
    },
    rolledBack() {
      for (const [subject, friend] of judged) if (friend !== null) change(friend, subject)
      judged.clear()
      waiting.delete(ASKED)
      waiting.delete(OWN)
      const failed = requests.filter(({ isKept }) => !isKept)
      requests = requests.filter(({ isKept }) => isKept)
      for (const { subjects } of requests) for (const subject of subjects) put(OWN, subject)
      for (const { done } of failed) done(false)
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

function isFriend(source: Source): source is PeerId {
  return source !== OWN && source !== ASKED
}
