/**
 * Brings what was committed to the disk, on another thread and soon. SQLite itself waits for the disk only when its log has
 * become long and is brought into the file, in the middle of somebody's commit: 17 ms for 16 MiB, and 3 ms if most of it is
 * there already. And a power cut costs the last moments, not all that the kernel had not got round to (half a minute).
 *
 * The log only: to close a descriptor of the file itself would give up SQLite's locks on it
 * (https://www.sqlite.org/howtocorrupt.html, 2.2).
 */
import { open } from 'node:fs/promises'

/** From a commit until it goes to the disk, together with those that follow meanwhile. */
export const WRITE_BEHIND_MS = 250

export interface WriteBehindOptions {
  /** Of the ledger. */
  readonly path: string
  schedule(run: () => void, delayMs: number): () => void
  /** The disk fails. */
  failed(error: unknown): void
  /** Default: fdatasync. */
  readonly sync?: (path: string) => Promise<void>
}

export interface WriteBehind {
  committed(): void
  /** To be called before the ledger is closed, which brings the rest to the disk. */
  stop(): Promise<void>
}

export function createWriteBehind({ path, schedule, failed, sync = syncFile }: WriteBehindOptions): WriteBehind {
  let cancel: (() => void) | null = null
  let running: Promise<void> | null = null
  let isBehind = false
  let isStopped = false

  function plan(): void {
    if (isStopped || cancel !== null || running !== null) return
    cancel = schedule(() => {
      cancel = null
      running = write()
    }, WRITE_BEHIND_MS)
  }

  async function write(): Promise<void> {
    isBehind = false
    await sync(`${path}-wal`).catch(failed)
    running = null
    if (isBehind) plan()
  }

  return {
    committed() {
      isBehind = true
      plan()
    },
    async stop() {
      isStopped = true
      cancel?.()
      await running
    }
  }
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path)
  await file.datasync()
}
