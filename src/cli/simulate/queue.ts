/**
 * Messages on their way, in the order of their arrival; those of one millisecond in the order in which they were sent.
 * A wheel of lists, one for each millisecond up to the longest delay, so that a million messages under way cost a constant
 * time and 12 bytes each.
 */
import { createInts, push, type Ints } from './ints.ts'

/** Longest delay of a link, in ms, less one. */
const WHEEL = 1024

export interface Queue {
  /** ms since the start. */
  readonly now: number
  readonly size: number
  /** Something that arrives at `slot` after 0 to 1023 ms. */
  send(delayMs: number, slot: number, message: number): void
  /** Hands over everything up to and including a moment, what is sent meanwhile included. */
  runUntil(timeMs: number, arrive: (slot: number, message: number) => void): void
}

export function createQueue(): Queue {
  const first = new Int32Array(WHEEL).fill(-1)
  const last = new Int32Array(WHEEL).fill(-1)
  const next: Ints = createInts()
  const slots: Ints = createInts()
  const messages: Ints = createInts()
  let free = -1
  let now = 0
  let size = 0

  function place(slot: number, message: number): number {
    if (free === -1) {
      push(slots, slot)
      push(messages, message)
      return push(next, -1)
    }
    const index = free
    free = next.data[index]!
    next.data[index] = -1
    slots.data[index] = slot
    messages.data[index] = message
    return index
  }

  return {
    get now() {
      return now
    },
    get size() {
      return size
    },
    send(delayMs, slot, message) {
      const index = place(slot, message)
      const bucket = (now + delayMs) % WHEEL
      if (first[bucket] === -1) first[bucket] = index
      else next.data[last[bucket]!] = index
      last[bucket] = index
      size++
    },
    runUntil(timeMs, arrive) {
      for (; now <= timeMs; now++) {
        if (size === 0) {
          if (timeMs !== Infinity) now = timeMs
          return
        }
        const bucket = now % WHEEL
        for (let index = first[bucket]!; index !== -1; index = first[bucket]!) {
          first[bucket] = next.data[index]!
          next.data[index] = free
          free = index
          size--
          arrive(slots.data[index]!, messages.data[index]!)
        }
      }
      now = timeMs
    }
  }
}
