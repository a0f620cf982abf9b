/** What a reload can't change. Imports nothing, for the help of `banmesh run` names it too. */

/** Bound at the start: sockets, files and names that others know us by. */
export const FIXED = [
  'network',
  'dataDir',
  'listen',
  'announce',
  'control',
  'discovery',
  'nat',
  'networkKey',
  'handoff',
  'web'
] as const

/** The mesh takes these when it is made. */
export const FIXED_LIMITS = ['maxConnections', 'maxPendingHandshakes'] as const

/** What a change of waits for a restart, as config keys; everything else a reload applies. */
export const NEEDS_RESTART: readonly string[] = [...FIXED, ...FIXED_LIMITS.map((name) => `limits.${name}`)]
