/** A bar on a terminal that shows how far a long work is. */

export interface Screen {
  readonly isTTY: boolean
  readonly columns: number
  write(text: string): unknown
}

const MOST_COLUMNS = 40
/** ms between two drawings. */
const PAUSE_MS = 100

export interface Progress {
  update(finished: number, all: number): void
  /** Takes the bar away. */
  end(): void
}

/** Shows nothing where there is no terminal. `now` is in ms. */
export function createProgress(screen: Screen, now: () => number): Progress {
  const started = now()
  let drawn = -Infinity
  return {
    update(finished, all) {
      if (!screen.isTTY || (now() - drawn < PAUSE_MS && finished < all)) return
      drawn = now()
      screen.write(`\r${bar(finished, all, screen.columns, drawn - started)}\u001B[K`)
    },
    end() {
      if (screen.isTTY && drawn !== -Infinity) screen.write('\r\u001B[K')
    }
  }
}

/** One column less than the terminal has, so that no line is wrapped. */
export function bar(finished: number, all: number, columns: number, elapsedMs: number): string {
  const share = all === 0 ? 1 : finished / all
  const left = finished === 0 ? '' : `, ${Math.ceil(((elapsedMs / finished) * (all - finished)) / 1000)} s left`
  const words = ` ${Math.floor(share * 100)} % (${finished}/${all}${left})`
  const width = Math.min(MOST_COLUMNS, columns - words.length - 3)
  if (width < 4) return words.trim().slice(0, Math.max(0, columns - 1))
  const full = Math.round(share * width)
  return `[${'#'.repeat(full)}${'-'.repeat(width - full)}]${words}`
}
