/**
 * Accepted subjects in the languages of other firewalls. Canonical subjects only, sorted, so that two exports can be
 * compared; each is a snapshot, to be replaced by the next.
 */
import type { VerdictView } from '../control/api.ts'
import { cidrToBytes, covers, type CidrBytes } from '../core/cidr.ts'
import { parseSubject, type Subject } from '../core/subject.ts'

export type ExportFormat = 'plain' | 'csv' | 'nft' | 'ipset' | 'hosts.deny'

/** `now` in Unix ms. The text ends without a line break, and is empty if there is nothing to say. */
export const EXPORTS: Readonly<Record<ExportFormat, (verdicts: readonly VerdictView[], now: number) => string>> = {
  plain: (verdicts) => lines(sorted(verdicts).map(({ subject }) => subject)),
  csv: (verdicts) =>
    lines([
      'subject,score,until,origins,source',
      ...sorted(verdicts).map(({ subject, view }) =>
        [subject, view.score, view.until, view.origins, view.source].join(',')
      )
    ]),
  nft: (verdicts) => formatNft(sorted(verdicts)),
  ipset: (verdicts, now) => formatIpset(sorted(verdicts), now),
  'hosts.deny': (verdicts) => lines(sorted(verdicts).map(({ subject }) => `ALL: ${tcpWrappers(subject)}`))
}

/** The longest that ipset counts: 2^32 ms / 2. */
const IPSET_TIMEOUT_SECONDS = 2_147_483
/** Elements of one set; ipset's default of 65,536 is too few for a busy mesh. */
const IPSET_ELEMENTS = 1_048_576

interface Exported {
  readonly subject: Subject
  readonly bytes: CidrBytes
  readonly view: VerdictView
}

/** IPv4 first, by address, the wider before the narrower: what covers a subject stands before it. */
function sorted(verdicts: readonly VerdictView[]): Exported[] {
  const exported = verdicts.flatMap((view) => {
    const subject = parseSubject(view.subject)
    return subject.ok ? [{ subject: subject.value, bytes: cidrToBytes(subject.value), view }] : []
  })
  return exported.sort(({ bytes: a }, { bytes: b }) =>
    a.address.length === b.address.length
      ? Buffer.compare(a.address, b.address) || a.prefix - b.prefix
      : a.address.length - b.address.length
  )
}

/** An interval set takes no element that another one covers. */
function uncovered(exported: readonly Exported[]): Subject[] {
  const wide: Subject[] = []
  for (const { subject } of exported) {
    const last = wide.at(-1)
    if (last === undefined || !covers(last, subject)) wide.push(subject)
  }
  return wide
}

/** Not the name of the nftables hand-off's, which the daemon looks after. */
const NFT_TABLE = 'inet banmesh_export'

/** The table is replaced as a whole, in one transaction. */
function formatNft(exported: readonly Exported[]): string {
  const [ipv4, ipv6] = byFamily(exported)
  return lines([
    `# banmesh export: load with \`nft -f FILE\`, take back with \`nft delete table ${NFT_TABLE}\``,
    `table ${NFT_TABLE}`,
    `delete table ${NFT_TABLE}`,
    `table ${NFT_TABLE} {`,
    ...nftSet('banned4', 'ipv4_addr', uncovered(ipv4)),
    ...nftSet('banned6', 'ipv6_addr', uncovered(ipv6)),
    '  chain input {',
    '    type filter hook input priority filter - 10; policy accept;',
    '    ip saddr @banned4 drop',
    '    ip6 saddr @banned6 drop',
    '  }',
    '}'
  ])
}

function nftSet(name: string, type: string, subjects: readonly Subject[]): string[] {
  const elements = subjects.map((subject, index) => `      ${subject}${index < subjects.length - 1 ? ',' : ''}`)
  return [
    `  set ${name} {`,
    `    type ${type}`,
    '    flags interval',
    ...(elements.length === 0 ? [] : ['    elements = {', ...elements, '    }']),
    '  }'
  ]
}

/** Each element with the time that its ban still has. */
function formatIpset(exported: readonly Exported[], now: number): string {
  const sets = byFamily(exported).map((family, index) => ({ name: index === 0 ? 'banmesh4' : 'banmesh6', family }))
  const live = ({ view }: Exported): number => Math.min(IPSET_TIMEOUT_SECONDS, view.until - Math.floor(now / 1000))
  return lines([
    ...sets.map(({ name }) => {
      const type = name === 'banmesh4' ? 'inet' : 'inet6'
      return `create ${name} hash:net family ${type} maxelem ${IPSET_ELEMENTS} timeout 0 -exist`
    }),
    ...sets.flatMap(({ name, family }) => [
      `flush ${name}`,
      ...family.filter((item) => live(item) > 0).map((item) => `add ${name} ${item.subject} timeout ${live(item)}`)
    ])
  ])
}

function byFamily(exported: readonly Exported[]): [Exported[], Exported[]] {
  const isIpv4 = ({ bytes }: Exported): boolean => bytes.address.length === 4
  return [exported.filter(isIpv4), exported.filter((item) => !isIpv4(item))]
}

/** hosts_access(5): IPv6 in brackets; an IPv4 network with its mask, which every version understands. */
function tcpWrappers(subject: Subject): string {
  const [address = '', prefix] = subject.split('/')
  if (address.includes(':')) return `[${address}]${prefix === undefined ? '' : `/${prefix}`}`
  return prefix === undefined ? address : `${address}/${ipv4Mask(Number(prefix))}`
}

function ipv4Mask(prefix: number): string {
  return [0, 8, 16, 24].map((from) => (0xff00 >> Math.min(8, Math.max(0, prefix - from))) & 0xff).join('.')
}

function lines(texts: readonly string[]): string {
  return texts.join('\n')
}
