/** What an operator may tell the daemon: ban, unban, forget a veto. */
import type { Banned, BanRequest, Unbanned } from '../control/api.ts'
import type { Answer } from '../control/server.ts'
import { PROTOCOL_LIMITS } from '../core/limits.ts'
import { coveringCidrs, type ProtectionReason } from '../core/protection.ts'
import type { Subject } from '../core/subject.ts'
import type { Verdicts } from '../store/verdicts.ts'
import type { Config } from './config.ts'
import type { Ingest } from './ingest.ts'
import type { Ours } from './ours.ts'
import type { Protections } from './protections.ts'

export interface CommandOptions {
  readonly ours: Ours
  readonly ingest: Ingest
  readonly verdicts: Verdicts
  readonly protections: Protections
  config(): Config
  now(): number
}

export interface Commands {
  ban(subject: Subject, request: Omit<BanRequest, 'subject'>): Promise<Answer<Banned>>
  unban(subject: Subject): Promise<Answer<Unbanned>>
  forgetVeto(subject: Subject): Promise<Answer<Unbanned>>
  /** Vetoes alone, in force when this returns: somebody has unbanned the subjects in fail2ban. */
  veto(subjects: readonly Subject[]): Promise<void>
}

/** The jail of a claim that no fail2ban jail stands behind. */
const MANUAL_JAIL = 'manual'

const REFUSALS: Record<Exclude<ProtectionReason, 'vetoed'>, { message: string; hint?: string }> = {
  allowlisted: { message: 'it is on the allowlist, or overlaps with it', hint: 'see allowlist: in the config' },
  reserved: {
    message: 'it is in a special-purpose range (private, loopback, documentation...)',
    hint: 'set protectReserved: false in the config if this is a lab'
  },
  'own-address': { message: 'it is an address of this server' },
  'friend-address': { message: 'it is an address of a friend' }
}

export function createCommands({ ours, ingest, verdicts, protections, config, now }: CommandOptions): Commands {
  /** Judges anew what a change of these vetoes touches. */
  async function vetoesChanged(subjects: readonly Subject[]): Promise<void> {
    protections.refresh()
    const touched = subjects.flatMap((subject) => [subject, ...coveringCidrs(subject), ...verdicts.within(subject)])
    await ingest.review(touched)
  }

  function veto(subjects: readonly Subject[]): Promise<void> {
    for (const subject of subjects) verdicts.veto(subject, now())
    return vetoesChanged(subjects)
  }

  return {
    veto,
    async ban(subject, { jail = MANUAL_JAIL, ttlSeconds = config().policy.maxBanTime }) {
      if (ttlSeconds > PROTOCOL_LIMITS.ttlSeconds) {
        const message = `the longest ban is ${PROTOCOL_LIMITS.ttlSeconds} seconds`
        return { ok: false, status: 400, reason: 'ttl', message }
      }
      // The operator's newest word counts: a ban ends an earlier veto.
      if (verdicts.forgetVeto(subject)) await vetoesChanged([subject])
      const reason = protections.protectedBy(subject)
      if (reason === 'vetoed') {
        const message = 'it overlaps with something that you have unbanned'
        return { ok: false, status: 403, reason, message, hint: 'banmesh unban --forget-veto SUBJECT ends a veto' }
      }
      if (reason !== null) return { ok: false, status: 403, reason, ...REFUSALS[reason] }
      const until = Math.floor(now() / 1000) + ttlSeconds
      const { reportId } = await ours.say({ kind: 'ban', subject, until, jail, failures: 0 }, 'command')
      return reportId === null ? failed() : { ok: true, value: { subject, reportId, until } }
    },
    async unban(subject) {
      await veto([subject])
      const { outcome, reportId } = await ours.lift(subject, null, 'command')
      return outcome?.kind === 'refused' ? failed() : { ok: true, value: { subject, reportId, vetoed: true } }
    },
    async forgetVeto(subject) {
      verdicts.forgetVeto(subject)
      await vetoesChanged([subject])
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
