/** What an operator may tell the daemon: ban, unban, forget a veto, import; pause, resume and flush the hand-offs. */
import type { Banned, BanRequest, Flushed, Imported, ImportRequest, Paused, Unbanned } from '../control/api.ts'
import type { Answer } from '../control/server.ts'
import { PROTOCOL_LIMITS } from '../core/limits.ts'
import type { ProtectionReason } from '../core/protection.ts'
import { parseSubject, type Subject } from '../core/subject.ts'
import type { Holds } from '../store/holds.ts'
import type { StoredVerdict, Verdicts } from '../store/verdicts.ts'
import type { Config } from './config.ts'
import type { Ingest } from './ingest.ts'
import type { Ours } from './ours.ts'
import type { Protections } from './protections.ts'
import type { Reviewing } from './reviewing.ts'

export interface CommandOptions {
  readonly ours: Ours
  readonly ingest: Pick<Ingest, 'review'>
  readonly reviewing: Reviewing
  readonly verdicts: Verdicts
  readonly protections: Protections
  readonly holds: Holds
  /** Whether each hand-off that is turned on can take a ban back at once. */
  takesBack(): boolean
  config(): Config
  now(): number
  /** Done, for the audit log and who watches. */
  told(command: string, detail?: Readonly<Record<string, unknown>>): void
}

export interface Commands {
  ban(subject: Subject, request: Omit<BanRequest, 'subject'>): Promise<Answer<Banned>>
  unban(subject: Subject): Promise<Answer<Unbanned>>
  forgetVeto(subject: Subject): Promise<Answer<Unbanned>>
  import(request: ImportRequest): Promise<Answer<Imported>>
  /** Nothing new is handed over until `resume`; what is banned already stays until its end. Kept over restarts. */
  pause(): Promise<Answer<Paused>>
  /** Hands over everything that should be banned now, whatever was paused or flushed. */
  resume(): Promise<Answer<Paused>>
  /**
   * Takes the mesh's bans back, and only those: what the operator banned by command stays, as do fail2ban's own bans. A
   * flushed subject is not handed over again before its verdict has ended and a new one is made, or before `resume`.
   */
  flush(): Promise<Answer<Flushed>>
  /** Vetoes alone, in force when this returns: somebody has unbanned the subjects in fail2ban. */
  veto(subjects: readonly Subject[]): Promise<void>
}

/** The jail of a claim that no fail2ban jail stands behind. */
const MANUAL_JAIL = 'manual'

/** Verdicts that are looked at in one turn of the event loop. */
const PAGE = 1000

const REFUSALS: Record<Exclude<ProtectionReason, 'vetoed'>, { message: string; hint?: string }> = {
  allowlisted: { message: 'it is on the allowlist, or overlaps with it', hint: 'see allowlist: in the config' },
  reserved: {
    message: 'it is in a special-purpose range (private, loopback, documentation...)',
    hint: 'set protectReserved: false in the config if this is a lab'
  },
  'own-address': { message: 'it is an address of this server' },
  'friend-address': { message: 'it is an address of a friend' }
}

export function createCommands(options: CommandOptions): Commands {
  const { ours, ingest, reviewing, verdicts, protections, holds, config, now, told } = options
  const vetoesChanged = (): Promise<void> => reviewing.touched(protections.refresh())

  function veto(subjects: readonly Subject[]): Promise<void> {
    for (const subject of subjects) verdicts.veto(subject, now())
    return vetoesChanged()
  }

  /** A page at a time, the subjects of the verdicts that `wanted` picks. */
  function* pagesOf(wanted: (verdict: StoredVerdict) => boolean): Generator<readonly Subject[]> {
    let after: Subject | '' = ''
    for (;;) {
      const page: StoredVerdict[] = verdicts.after(after, PAGE)
      yield page.filter(wanted).map(({ subject }) => subject)
      if (page.length < PAGE) return
      after = page.at(-1)!.subject
    }
  }

  async function importOne(jail: string, text: string, ttlSeconds: number): Promise<string | null> {
    const subject = parseSubject(text)
    if (!subject.ok) return subject.reason
    if (ttlSeconds > PROTOCOL_LIMITS.ttlSeconds) return 'ttl'
    const reason = protections.protectedBy(subject.value)
    if (reason !== null) return reason
    const until = Math.floor(now() / 1000) + ttlSeconds
    const said = await ours.say({ kind: 'ban', subject: subject.value, until, jail, failures: 0 }, 'command')
    return said.reportId === null ? 'internal-error' : null
  }

  return {
    veto,
    async import({ jail, bans }) {
      // Said in one go: they share a report.
      const reasons = await Promise.all(bans.map(({ subject, ttlSeconds }) => importOne(jail, subject, ttlSeconds)))
      const refused = bans.flatMap(({ subject }, index) => {
        const reason = reasons[index]!
        return reason === null ? [] : [{ subject, reason }]
      })
      const said = bans.length - refused.length
      told('import', { jail, said, refused: refused.length })
      return { ok: true, value: { said, refused } }
    },
    async pause() {
      holds.setPaused(true)
      told('pause')
      return { ok: true, value: { paused: true } }
    },
    async resume() {
      holds.setPaused(false)
      holds.forgetAll()
      told('resume')
      for (const subjects of pagesOf(({ accepted, handOff }) => accepted && !handOff)) {
        if (!(await ingest.review(subjects))) return failed()
      }
      return { ok: true, value: { paused: false } }
    },
    async flush() {
      let lifted = 0
      for (const subjects of pagesOf(({ handOff }) => handOff)) {
        holds.flush(subjects)
        if (!(await ingest.review(subjects))) return failed()
        lifted += subjects.filter((subject) => !verdicts.get(subject)?.handOff).length
      }
      told('flush', { lifted })
      return { ok: true, value: { lifted, atOnce: options.takesBack() } }
    },
    async ban(subject, { jail = MANUAL_JAIL, ttlSeconds = config().policy.maxBanTime }) {
      if (ttlSeconds > PROTOCOL_LIMITS.ttlSeconds) {
        const message = `the longest ban is ${PROTOCOL_LIMITS.ttlSeconds} seconds`
        return { ok: false, status: 400, reason: 'ttl', message }
      }
      // The operator's newest word counts: a ban ends an earlier veto.
      if (verdicts.forgetVeto(subject)) await vetoesChanged()
      const reason = protections.protectedBy(subject)
      if (reason === 'vetoed') {
        const message = 'it overlaps with something that you have unbanned'
        return { ok: false, status: 403, reason, message, hint: 'banmesh unban --forget-veto SUBJECT ends a veto' }
      }
      if (reason !== null) return { ok: false, status: 403, reason, ...REFUSALS[reason] }
      const until = Math.floor(now() / 1000) + ttlSeconds
      const { reportId } = await ours.say({ kind: 'ban', subject, until, jail, failures: 0 }, 'command')
      if (reportId === null) return failed()
      told('ban', { subject, jail, until })
      return { ok: true, value: { subject, reportId, until } }
    },
    async unban(subject) {
      await veto([subject])
      const { outcome, reportId } = await ours.lift(subject, null, 'command')
      if (outcome?.kind === 'refused') return failed()
      told('unban', { subject })
      return { ok: true, value: { subject, reportId, vetoed: true } }
    },
    async forgetVeto(subject) {
      verdicts.forgetVeto(subject)
      await vetoesChanged()
      told('forget-veto', { subject })
      return { ok: true, value: { subject, reportId: null, vetoed: false } }
    }
  }
}

function failed(): { ok: false; status: 500; reason: string; message: string } {
  return {
    ok: false,
    status: 500,
    reason: 'internal-error',
    message: "the ledger can't be written; the daemon's log says why"
  }
}
