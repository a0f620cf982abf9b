/** The servers and the clients of the lab, and what one can do and see there. */
import { until } from '../../test/support/until.ts'
import type { Status, Why } from '../../src/control/api.ts'
import type { Compose } from './compose.ts'

export const SERVERS = ['alice', 'bob', 'carol', 'dave', 'erin'] as const
export type Server = (typeof SERVERS)[number]
export type Client = 'attacker' | 'visitor'
export type Family = 4 | 6
type Knock = 'open' | 'refused' | 'no answer'

const SCORE_TIMEOUT_MS = 30_000
const DAY_MS = 24 * 3600_000

/** When something was seen, in ms of the day: all containers have the machine's clock. */
type Moment = number

export interface Places {
  /** The client's address. */
  address(client: Client, family: Family): string
  knock(client: Client, family: Family, server: Server): Promise<Knock>
  /** Knocks until it is so; resolves with the moment of it. */
  knockUntil(client: Client, family: Family, server: Server, wish: 'open' | 'refused'): Promise<Moment>
  /** Guesses passwords until it is refused. */
  attack(family: Family, server: Server): Promise<{ guesses: number; from: Moment; refused: Moment }>
  why(server: Server, subject: string): Promise<Why>
  /** Waits for a score in percent, and fails if the server accepts what it should hold or the other way round. */
  scores(server: Server, subject: string, score: number, verdict: 'accepted' | 'held'): Promise<Why>
  status(server: Server): Promise<Status>
  /** Whether sshd refused a password of this address. */
  wasAttacked(server: Server, address: string): Promise<boolean>
  /** As an administrator does; fails unless it was banned. */
  unban(server: Server, address: string): Promise<void>
  /** What the command prints. */
  liar(...words: string[]): Promise<string>
  readonly compose: Compose
}

export async function createPlaces(compose: Compose): Promise<Places> {
  const services = await compose.services()

  async function text(service: string, argv: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await compose.exec(service, argv)
    if (status !== 0) throw new Error(`${service}: ${argv.join(' ')}: exit status ${status}, ${stdout}${stderr}`)
    return stdout.trim()
  }
  const json = async <T>(server: Server, ...args: string[]): Promise<T> =>
    JSON.parse(await text(server, ['banmesh', '--json', ...args])) as T
  const why = (server: Server, subject: string): Promise<Why> => json<Why>(server, 'why', subject)

  return {
    compose,
    why,
    address(client, family) {
      const { ipv4_address: ipv4, ipv6_address: ipv6 } = services[client]!.networks!.default!
      return (family === 4 ? ipv4 : ipv6)!
    },
    async knock(client, family, server) {
      return (await text(client, ['knock', `-${family}`, server])).replace(/^.*\) /, '') as Knock
    },
    async knockUntil(client, family, server, wish) {
      return momentOf(await text(client, ['knock', `-${family}`, '--until', wish, server]))
    },
    async attack(family, server) {
      const lines = (await text('attacker', ['attack', `-${family}`, server])).split('\n')
      if (!lines[0]!.includes('Permission denied')) throw new Error(`${server} did not ask for a password: ${lines[0]}`)
      return { guesses: lines.length - 1, from: momentOf(lines[0]!), refused: momentOf(lines.at(-1)!) }
    },
    async scores(server, subject, score, verdict) {
      let last: Why | undefined
      const settled = async (): Promise<Why | false> => (last = await why(server, subject)).score === score && last
      const answer = await until(settled, `${server} to give ${subject} ${score} %`, SCORE_TIMEOUT_MS).catch(
        (error) => {
          throw new Error(`${String(error)}; it is ${last?.score} %`)
        }
      )
      if (answer.accepted !== (verdict === 'accepted')) throw new Error(`${server} should have ${verdict} ${subject}`)
      return answer
    },
    status: (server) => json<Status>(server, 'status'),
    async wasAttacked(server, address) {
      const log = await text(server, ['cat', '/var/log/auth.log'])
      return log.split('\n').some((line) => line.includes(`Failed password for nobody from ${address} `))
    },
    async unban(server, address) {
      const count = await text(server, ['fail2ban-client', 'set', 'sshd', 'unbanip', address])
      if (count !== '1') throw new Error(`${server} had not banned ${address}: ${count}`)
    },
    liar: (...words) => text('liar', ['liar', ...words])
  }
}

/** Milliseconds from one moment to a later one. */
export function between(from: Moment, to: Moment): number {
  return (to - from + DAY_MS) % DAY_MS
}

/** The programs of the clients begin their lines with the time: `11:40:02.153`. */
function momentOf(line: string): Moment {
  const [, hours, minutes, secs] = /^(\d\d):(\d\d):(\d\d\.\d{3}) /.exec(line) ?? []
  if (secs === undefined) throw new Error(`no time in: ${line}`)
  return (Number(hours) * 60 + Number(minutes)) * 60_000 + Math.round(Number(secs) * 1000)
}
