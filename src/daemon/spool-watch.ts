/**
 * Sees at once that fail2ban's hook has put an event into the spool (hook.ts). Where the kernel can't watch a folder, or
 * the folder is exchanged under us, nothing is lost: upkeep looks into the spool every second.
 */
import { mkdirSync, watch, type FSWatcher } from 'node:fs'

/** `drain` takes up what is there; it is called again if something came in the meantime, never twice at a time. */
export function watchSpool(dir: string, drain: () => Promise<void>): { close(): void } {
  let running = false
  let again = false
  async function kick(): Promise<void> {
    again = running
    if (running) return
    running = true
    do {
      again = false
      // What fails here fails again in upkeep, which reports it.
      await drain().catch(() => undefined)
    } while (again)
    running = false
  }
  const watcher = open(dir, () => void kick())
  return { close: () => watcher?.close() }
}

function open(dir: string, changed: () => void): FSWatcher | null {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const watcher = watch(dir, { persistent: false }, changed)
    return watcher.on('error', () => watcher.close())
  } catch {
    return null
  }
}
