/** Bans and holds over time, for the dashboard's chart: one point a minute since the start, a day long, in memory. */
import type { HistoryPoint } from './api.ts'

export const HISTORY_POINTS = 24 * 60
export const HISTORY_STEP_MS = 60_000

export interface History {
  add(point: HistoryPoint): void
  points(): readonly HistoryPoint[]
}

export function createHistory(): History {
  const points: HistoryPoint[] = []
  return {
    add(point) {
      points.push(point)
      if (points.length > HISTORY_POINTS) points.shift()
    },
    points: () => points
  }
}
