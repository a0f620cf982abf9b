/** A plan's statements as reports, and which of them meet on their way. */
import type { PeerId, Report, ReportId } from '../../core/report.ts'
import type { Subject } from '../../core/subject.ts'
import { REPLAYED_BAN_SECONDS, type Attack, type Plan, type Statement, type Target } from './attacks.ts'

/** Unix ms at which a run begins. */
export const EPOCH_MS = Date.UTC(2026, 0, 1)
const BAN_SECONDS = 7 * 24 * 3600

export interface Travelling extends Report {
  readonly id: ReportId
  readonly target: Target
  readonly kind: 'ban' | 'unban'
  readonly until: number
  /** An origin's claims about one subject. */
  readonly register: number
}

export interface Numbered {
  readonly statement: Statement
  readonly register: number
  /** In the plan. */
  readonly index: number
}

/** By register; all together if a rate limit binds them. */
export function groupsOf({ statements, rate }: Plan): readonly (readonly Numbered[])[] {
  const registers = new Map<string, number>()
  const numbered = statements.map((statement, index): Numbered => {
    const { speaker, invented, target } = statement.replayOf === null ? statement : statements[statement.replayOf]!
    const name = `${speaker} ${invented} ${target} ${target === 'junk' ? index : ''}`
    if (!registers.has(name)) registers.set(name, registers.size)
    return { statement, register: registers.get(name)!, index }
  })
  return rate === null ? [...Map.groupBy(numbered, ({ register }) => register).values()] : [numbered]
}

/** `peers` has first the nodes, then the invented ones. */
export function reportOf(
  { speaker, target, kind, invented, atMs }: Statement,
  by: { index: number; register: number; peers: readonly PeerId[]; nodes: number; attack: Attack }
): Travelling {
  const { index, register, peers, nodes, attack } = by
  const subject = { attacker: '192.0.2.1', victim: '192.0.2.2', junk: `10.0.0.${index}` }[target] as Subject
  const banSeconds = attack === 'replay' && target === 'victim' ? REPLAYED_BAN_SECONDS : BAN_SECONDS
  const until = Math.floor(EPOCH_MS / 1000) + banSeconds
  return {
    id: `report${index}` as ReportId,
    origin: peers[invented === null ? speaker : nodes + invented]!,
    // Increasing for each origin; the clocks may be off by more.
    issuedAt: EPOCH_MS + atMs + index,
    claims: [{ kind, subject, until, jail: 'sshd', failures: 3 }],
    target,
    kind,
    until,
    register
  }
}

export function countInvented({ statements }: Plan): number {
  return statements.reduce((most, { invented }) => Math.max(most, (invented ?? -1) + 1), 0)
}
