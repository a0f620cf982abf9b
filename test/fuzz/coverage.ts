/**
 * Which parts of our sources have run, told by V8 itself: what guides the fuzzing. (@jazzer.js/core, the one kept-up tool
 * for it, is a native addon around libFuzzer that brings cmake-js and 100 packages along, and instruments sources that
 * were compiled before; asking V8 after every batch does the same for us without any of it.)
 */
import { Session } from 'node:inspector/promises'

/** By file, a byte for each of its characters: 1 if it has run. */
type Hits = ReadonlyMap<string, Uint8Array>

export interface Coverage {
  /** What has run since the last call. */
  hits(): Promise<Hits>
  /** The part of it that had never run before. */
  learn(hits: Hits): Hits
  stop(): void
}

/** `files`: what a file has to have in its path. */
export async function createCoverage(files = '/src/'): Promise<Coverage> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  const seen = new Map<string, Uint8Array>()
  return {
    async hits() {
      const { result } = await session.post('Profiler.takePreciseCoverage')
      const ours = result.filter(({ url }) => url.includes(files) && !url.includes('/node_modules/'))
      return new Map(ours.map(({ url, functions }) => [url, flatten(functions.flatMap(({ ranges }) => ranges))]))
    },
    learn(hits) {
      const news = new Map<string, Uint8Array>()
      for (const [url, run] of hits) {
        const before = seen.get(url) ?? new Uint8Array(0)
        const fresh = run.map((hit, at) => (hit === 1 && before[at] !== 1 ? 1 : 0))
        if (!fresh.includes(1)) continue
        news.set(url, fresh)
        const after = new Uint8Array(Math.max(before.length, run.length))
        after.set(before)
        fresh.forEach((hit, at) => (after[at]! |= hit))
        seen.set(url, after)
      }
      return news
    },
    stop: () => session.disconnect()
  }
}

export function touches(one: Hits, other: Hits): boolean {
  return [...one].some(([url, hits]) => hits.some((hit, at) => hit === 1 && other.get(url)?.[at] === 1))
}

/** V8 lists what is inside after what is around it, and what runs as often as its surroundings not at all. */
function flatten(ranges: readonly { startOffset: number; endOffset: number; count: number }[]): Uint8Array {
  const hits = new Uint8Array(ranges.reduce((longest, { endOffset }) => Math.max(longest, endOffset), 0))
  for (const { startOffset, endOffset, count } of ranges) hits.fill(count > 0 ? 1 : 0, startOffset, endOffset)
  return hits
}
