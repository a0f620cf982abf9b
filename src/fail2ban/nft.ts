/**
 * The program nft, run without a shell: commands by its standard input, as one transaction.
 *
 * The next `nft -f -` is started ahead and waits for its input. To start a process costs a busy daemon ten milliseconds
 * and more, the rest one or two. (An `nft -i` that is kept open is as fast and needs less; but it says nothing when it
 * is done, and its line editor is made for people.)
 */
import { execFile, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { ok, refuse, type Result } from '../core/result.ts'

export const NFT_LIMITS = {
  /** Milliseconds for one run, after which it is killed. 100,000 elements take half a second. */
  timeoutMs: 60_000,
  /** Bytes of a listing: some 2,000,000 elements. */
  outputBytes: 128 * 1024 * 1024,
  /** Characters of what nft says about an error that are looked at. */
  errorLength: 4096
} as const

export type NftRefusal =
  /** There is no such program. */
  | 'no-nft'
  /** nft, and so the daemon, needs the capability CAP_NET_ADMIN. */
  | 'needs-cap-net-admin'
  /** Table, chain, set or element is not there (any more). */
  | 'missing'
  | 'timeout'
  | 'not-understood'
  | 'failed'

export interface Nft {
  /** Has the next process ready. */
  start(): void
  /** All of the commands, or none. */
  run(commands: string): Promise<Result<void, NftRefusal>>
  /** What `nft ARGS...` prints. */
  list(...args: string[]): Promise<Result<string, NftRefusal>>
  stop(): void
}

export interface NftOptions {
  /** Default `nft`, from PATH. */
  readonly command?: readonly [string, ...string[]]
  readonly timeoutMs?: number
}

interface Process {
  readonly child: ChildProcessWithoutNullStreams
  readonly ended: Promise<Result<void, NftRefusal>>
}

export function createNft(options: NftOptions = {}): Nft {
  const { command: [program, ...before] = ['nft'], timeoutMs = NFT_LIMITS.timeoutMs } = options
  let next: Process | null = null
  let ahead = false

  function ready(): Process {
    const child = spawn(program, [...before, '-f', '-'], { stdio: 'pipe' })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(0, NFT_LIMITS.errorLength)
    })
    child.stdout.resume()
    // It ended before it read its input: then its end says why.
    child.stdin.on('error', () => {})
    const ended = new Promise<Result<void, NftRefusal>>((resolve) => {
      child.on('error', (error: NodeJS.ErrnoException) => resolve(refuse(reasonOf(error, ''))))
      child.on('close', (code, signal) => {
        if (next === process) next = null
        if (code === 0) resolve(ok(undefined))
        else resolve(refuse(signal === null ? reasonOf({}, said) : 'failed'))
      })
    })
    const process = { child, ended }
    return process
  }

  return {
    start() {
      ahead = true
      next ??= ready()
    },
    async run(commands) {
      const process = next ?? ready()
      next = null
      let late = false
      const timer = setTimeout(() => {
        late = true
        process.child.kill('SIGKILL')
      }, timeoutMs)
      process.child.stdin.end(commands)
      const result = await process.ended
      clearTimeout(timer)
      if (ahead) next ??= ready()
      return late ? refuse('timeout') : result
    },
    list: (...args) =>
      new Promise((resolve) => {
        const limits = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: NFT_LIMITS.outputBytes } as const
        const child = execFile(
          program,
          [...before, ...args],
          { encoding: 'utf8', ...limits },
          (error, stdout, stderr) => {
            resolve(error === null ? ok(stdout) : refuse(reasonOf(error, stderr)))
          }
        )
        child.stdin?.end()
      }),
    stop() {
      ahead = false
      // Its input ends, and so does it.
      next?.child.stdin.end()
      next = null
    }
  }
}

function reasonOf(error: { readonly code?: unknown; readonly killed?: boolean }, said: string): NftRefusal {
  const { code, killed } = error
  if (code === 'ENOENT' || code === 'EACCES') return 'no-nft'
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'not-understood'
  if (killed === true) return 'timeout'
  if (/Operation not permitted/.test(said)) return 'needs-cap-net-admin'
  return /No such file or directory/.test(said) ? 'missing' : 'failed'
}
