/** What happened when: a row a step, printed as it happens. */

export interface Timetable {
  /** Does `work` and prints how long it took, and what it says for itself if that is a text. Fails as `work` does. */
  step<T>(what: string, work: () => Promise<T>): Promise<T>
  /** A line between rows. */
  title(text: string): void
}

/** `now` in ms. */
export function createTimetable(print: (text: string) => void, now: () => number): Timetable {
  const started = now()
  print(`${'at'.padStart(7)}  ${'took'.padStart(7)}\n`)
  return {
    async step(what, work) {
      const from = now()
      const result = await work()
      const to = now()
      const more = typeof result === 'string' && result !== '' ? `: ${result}` : ''
      print(`${seconds(to - started)}  ${seconds(to - from)}  ${what}${more}\n`)
      return result
    },
    title: (text) => print(`${' '.repeat(18)}-- ${text}\n`)
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2).padStart(6)}s`
}
