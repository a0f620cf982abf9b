/**
 * banmesh.yaml as a schema: every key with its default, written as in the file. Friends are only
 * counted here; each is parsed by itself (`friendSchema`), so that one bad entry does not take the others along.
 */
import { z } from 'zod'
import { LIMIT_NAMES, LIMITS, withDefaults, type LimitName } from './config-limits.ts'
import {
  parseAllowed,
  parseAnnounced,
  parseBanTime,
  parseBootstrap,
  parseCommand,
  parseFlag,
  parseFriendAddress,
  parseFriendId,
  parseJail,
  parseJailPattern,
  parseListen,
  parseLogLevel,
  parseName,
  parseNetwork,
  parsePath,
  parsePercent,
  parseSeconds,
  parseSocketAddress,
  parseThreshold,
  parseWhole,
  parseWord,
  show,
  SOCKET_PATH_BYTES,
  type Parsed
} from './config-values.ts'
import { PROTOCOL_LIMITS } from '../core/limits.ts'

const flag = leaf(parseFlag)
const jail = leaf(parseJail)
const percent = leaf(parsePercent)
const threshold = leaf(parseThreshold)

/** The schema of the whole file; `resolvePath` makes a path absolute. */
export function configSchema(resolvePath: (path: string) => string) {
  const path = leaf((value) => {
    const parsed = parsePath(value)
    return 'value' in parsed ? { value: resolvePath(parsed.value) } : parsed
  })
  /** A bare name is looked for in PATH. */
  const resolveCommand = (name: string): string => (name.includes('/') ? resolvePath(name) : name)
  const command = leaf((value) => {
    const parsed = parsePath(value)
    return 'value' in parsed ? { value: resolveCommand(parsed.value) } : parsed
  })
  return section({
    network: leaf(parseNetwork).prefault('default'),
    dataDir: path.prefault('/var/lib/banmesh'),
    listen: list(leaf(parseListen), ['/ip4/0.0.0.0/tcp/7337', '/ip6/::/tcp/7337']),
    announce: list(leaf(parseAnnounced), []),
    control: path.refine(fitsSocket, tooLongForSocket).prefault('/run/banmesh/control.sock'),
    friends: list(z.unknown(), []),
    discovery: section({
      dht: flag.prefault(true),
      bootstrap: list(leaf(parseBootstrap), []),
      mdns: flag.prefault(false)
    }),
    nat: section({ upnp: flag.prefault(true), relay: flag.prefault(true) }),
    networkKey: path.nullable().prefault(null),
    policy: section({
      threshold: threshold.prefault(80),
      quorum: leaf(parseWhole(1, 1000)).prefault(1),
      rule: leaf(parseWord('flow', 'sum')).prefault('flow'),
      mode: leaf(parseWord('enforce', 'observe')).prefault('enforce'),
      maxHops: leaf(parseWhole(0, PROTOCOL_LIMITS.hops)).prefault(6),
      maxBanTime: leaf(parseBanTime).prefault('7d'),
      jails: jailPolicies()
    }),
    share: section({
      jails: list(leaf(parseJailPattern), ['*']),
      minBanTime: leaf(parseSeconds(0, PROTOCOL_LIMITS.ttlSeconds)).prefault('60s')
    }),
    allowlist: list(leaf(parseAllowed), []).transform((entries) => ({
      cidrs: entries.flatMap((entry) => ('cidr' in entry ? [entry.cidr] : [])),
      hosts: entries.flatMap((entry) => ('host' in entry ? [entry.host] : []))
    })),
    protectReserved: flag.prefault(true),
    handoff: section({
      log: orNot(section({ path: path.prefault('/var/log/banmesh/bans.log') }), [false, null]),
      fail2ban: section({
        enabled: flag.prefault(false),
        jail: jail.prefault('banmesh'),
        client: command.prefault('fail2ban-client'),
        socket: path.prefault('/run/fail2ban/fail2ban.sock'),
        direct: flag.prefault(true)
      }),
      nftables: section({
        enabled: flag.prefault(false),
        block: leaf(parseWord('reject', 'drop')).prefault('reject')
      }),
      exec: orNot(
        section({
          command: leaf(parseCommand).transform(([program, ...args]) => [resolveCommand(program), ...args] as const),
          concurrency: leaf(parseWhole(1, 100)).prefault(4),
          timeout: leaf(parseSeconds(1, 3600)).prefault('10s')
        }),
        [false, null]
      ).prefault(false)
    }),
    web: orNot(section({ listen: leaf(parseSocketAddress).prefault('127.0.0.1:7338') }), [false]),
    log: section({
      level: leaf(parseLogLevel).prefault('info'),
      // Null: beside the watched log.
      audit: orNot(path, [null]).or(z.literal(false)).prefault(null)
    }),
    limits: section(limitShape()).transform((named) => withDefaults(defined(named)))
  })
}

export const friendSchema = z.strictObject({
  id: leaf(parseFriendId),
  was: leaf(parseFriendId).optional(),
  name: leaf(parseName).optional(),
  trust: percent.prefault(80),
  addresses: list(leaf(parseFriendAddress), []),
  observe: flag.prefault(false),
  paused: flag.prefault(false),
  jails: list(leaf(parseJailPattern), ['*'])
})

/** Says in our words what zod found; our own parsers have spoken already. */
export function describeIssue(issue: { code?: string; expected?: unknown; input?: unknown }): string | undefined {
  if (issue.code !== 'invalid_type') return undefined
  if (issue.expected === 'nonoptional') return 'is missing'
  return `must be ${issue.expected === 'array' ? 'a list' : 'a map of keys'}, not ${show(issue.input)}`
}

function leaf<T>(parse: (value: unknown) => Parsed<T>) {
  return z.unknown().transform((value, context): T => {
    const parsed = parse(value)
    if ('value' in parsed) return parsed.value
    context.issues.push({ code: 'custom', message: parsed.wrong, input: value })
    return z.NEVER
  })
}

/** A map in which all keys have defaults: absent or empty, it is all defaults. */
function section<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.preprocess((value) => value ?? {}, z.strictObject(shape))
}

/** Absent or empty is the default. */
function list<Item extends z.ZodType>(item: Item, ifEmpty: readonly string[]) {
  return z.preprocess((value) => value ?? ifEmpty, z.array(item))
}

/** Null if the value is one of `off`. Not a union: that would hide what is wrong inside the map. */
function orNot<Output>(schema: z.ZodType<Output>, off: readonly (false | null)[]) {
  const transform = z.unknown().transform((value, context): Output | null => {
    if (off.some((word) => word === value)) return null
    const parsed = schema.safeParse(value, { error: describeIssue })
    if (parsed.success) return parsed.data
    for (const issue of parsed.error.issues) context.issues.push({ ...issue, input: value } as never)
    return z.NEVER
  })
  return transform.prefault({})
}

/** What to do with the claims of each remote jail; `*` is every other one. A jail that nothing matches is not accepted. */
function jailPolicies() {
  const policy = section({
    accept: flag.prefault(true),
    threshold: threshold.nullable().prefault(null),
    jail: jail.nullable().prefault(null)
  })
  const names = z.string().refine((name) => 'value' in parseJailPattern(name))
  return z
    .preprocess((value) => value ?? { '*': {} }, z.record(names, policy))
    .transform((policies): ReadonlyMap<string, z.output<typeof policy>> => new Map(Object.entries(policies)))
}

function limitShape() {
  const shape: Record<string, z.ZodType<number | undefined>> = {}
  for (const name of LIMIT_NAMES) shape[name] = leaf(parseWhole(LIMITS[name].min, LIMITS[name].max)).optional()
  return shape as { readonly [Name in LimitName]: z.ZodType<number | undefined> }
}

function defined(named: Readonly<Record<string, number | undefined>>): Partial<Record<LimitName, number>> {
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined))
}

function fitsSocket(path: string): boolean {
  return Buffer.byteLength(path) <= SOCKET_PATH_BYTES
}

const tooLongForSocket = `must be at most ${SOCKET_PATH_BYTES} bytes long once it is absolute: the kernel takes no longer one for a socket`
