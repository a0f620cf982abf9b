/** The version in package.json, which is one folder further up in `dist/` than in the sources. */
import { readFileSync } from 'node:fs'

export const version = readVersion(['../../package.json', '../../../package.json'])

function readVersion(places: readonly string[]): string {
  for (const place of places) {
    try {
      const own = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as Record<string, string>
      if (own['name'] === 'banmesh' && own['version'] !== undefined) return own['version']
    } catch {
      // Not here: try the next place.
    }
  }
  return 'unknown'
}
