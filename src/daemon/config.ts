/**
 * banmesh.yaml: reading, checking, and saying what is wrong where. `parseConfig` is pure; the problems of the file are
 * reported at once, with their lines. A bad friend entry is a warning and disables that friend only.
 */
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isAlias, isCollection, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml'
import type { z } from 'zod'
import type { PeerId } from '../core/report.ts'
import { configSchema, describeIssue, friendSchema } from './config-schema.ts'
import type { Friend } from './friends.ts'

/** Bytes of a config file: some 10,000 friends. */
export const CONFIG_BYTES = 4 * 1024 * 1024
/** Errors, and warnings, that are told of: to find the place of each takes the longer, the more there are. */
export const CONFIG_PROBLEMS = 100

type Parsed = z.output<ReturnType<typeof configSchema>>

/** Paths are absolute, percentages ppm, durations seconds (`maxBanTime`, `minBanTime`). */
export interface Config extends Omit<Parsed, 'friends'> {
  /** Only the good entries. */
  readonly friends: readonly Friend[]
}

export interface ConfigProblem {
  /** From 1; 0 if the problem is not in a place, such as a missing file. */
  readonly line: number
  readonly column: number
  /** `policy.threshold`, `friends[1].id`; empty if there is none. */
  readonly key: string
  readonly message: string
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly ConfigProblem[] }
  | { readonly ok: false; readonly errors: readonly ConfigProblem[] }

export interface ConfigOptions {
  /** The folder against which relative paths are resolved. */
  readonly folder: string
  /** This node's own ID, once it is known: it can't be its own friend. */
  readonly self?: PeerId
}

const UNKNOWN_KEY = 'unknown key'

const nowhere = { line: 0, column: 0, key: '' } as const
const tooLarge: ConfigProblem = { ...nowhere, message: `is larger than ${CONFIG_BYTES} bytes` }

type Place = { readonly line: number; readonly column: number }
type Key = string | number

/** Reads the file at `path`; paths in it are relative to its folder. */
export function loadConfig(path: string, self?: PeerId): ConfigResult {
  const text = readConfigText(path)
  if (typeof text !== 'string') return { ok: false, errors: [text] }
  return parseConfig(text, { folder: dirname(resolve(path)), ...(self === undefined ? {} : { self }) })
}

/** The text of a config file, or why there is none. */
export function readConfigText(path: string): string | ConfigProblem {
  try {
    const { size } = statSync(path)
    if (size > CONFIG_BYTES) return tooLarge
    return readFileSync(path, 'utf8')
  } catch (error) {
    return { ...nowhere, message: `can't be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}` }
  }
}

/** `FILE:LINE:COL: key.path: message` */
export function formatProblem(file: string, { line, column, key, message }: ConfigProblem): string {
  return [line === 0 ? file : `${file}:${line}:${column}`, ...(key === '' ? [] : [key]), message].join(': ')
}

export function parseConfig(text: string, options: ConfigOptions): ConfigResult {
  if (Buffer.byteLength(text) > CONFIG_BYTES) return { ok: false, errors: [tooLarge] }
  try {
    return parse(text, options)
  } catch (error) {
    // The YAML parser calls itself for each level.
    if (!(error instanceof RangeError)) throw error
    return { ok: false, errors: [{ ...nowhere, message: 'is nested too deeply' }] }
  }
}

function parse(text: string, options: ConfigOptions): ConfigResult {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false })
  const at = (offset: number): Place => ({ line: lines.linePos(offset).line, column: lines.linePos(offset).col })
  const malformed = createProblems()
  for (const { message, pos } of [...document.errors, ...document.warnings]) {
    malformed.add(() => ({ ...at(pos[0]), key: '', message: `not valid YAML: ${message}` }))
  }
  if (malformed.count() === 0)
    checkShape(document.contents, [], (path, offset, message) => {
      malformed.add(() => ({ ...at(offset), key: formatKey(path), message }))
    })
  if (malformed.count() > 0) return { ok: false, errors: malformed.list() }

  const problem = (path: readonly Key[], message: string) => (): ConfigProblem => ({
    ...at(offsetOf(document, path, message === UNKNOWN_KEY)),
    key: formatKey(path),
    message
  })
  const parsed = configSchema((path) => resolve(options.folder, path)).safeParse(document.toJS() ?? {}, {
    error: describeIssue
  })
  const entries = parsed.success ? parsed.data.friends : document.toJS().friends
  const warnings = createProblems()
  const friends = parseFriends(Array.isArray(entries) ? entries : [], options.self, (...told) => {
    warnings.add(problem(...told))
  })
  if (parsed.success) return { ok: true, config: { ...parsed.data, friends }, warnings: warnings.list().sort(byPlace) }
  const found = createProblems()
  for (const issue of parsed.error.issues) problemsOf(issue, [], (...told) => found.add(problem(...told)))
  return { ok: false, errors: [...found.list(), ...warnings.list()].sort(byPlace) }
}

/** The first problems; where the others are is not even looked for. */
function createProblems() {
  const problems: ConfigProblem[] = []
  let count = 0
  return {
    add(locate: () => ConfigProblem): void {
      if (++count <= CONFIG_PROBLEMS) problems.push(locate())
    },
    count: () => count,
    list: () => problems
  }
}

function byPlace(a: ConfigProblem, b: ConfigProblem): number {
  return a.line - b.line || a.column - b.column
}

function parseFriends(
  entries: readonly unknown[],
  self: PeerId | undefined,
  warn: (path: readonly Key[], message: string) => void
): Friend[] {
  const friends = new Map<PeerId, Friend>()
  for (const [index, entry] of entries.entries()) {
    const parsed = friendSchema.safeParse(entry, { error: describeIssue })
    if (!parsed.success) {
      for (const issue of parsed.error.issues) problemsOf(issue, ['friends', index], warn)
      continue
    }
    const { id, name = id.slice(-8), addresses, ...rest } = parsed.data
    const stranger = addresses.findIndex(({ peer }) => peer !== null && peer !== id)
    if (stranger >= 0) warn(['friends', index, 'addresses', stranger], "ends with another peer ID than the friend's")
    else if (id === self) warn(['friends', index, 'id'], "is this node's own ID")
    else if (friends.has(id)) warn(['friends', index, 'id'], 'is a friend already, further up')
    else friends.set(id, { id, name, ...rest, addresses: addresses.map(({ address }) => address) })
  }
  return [...friends.values()]
}

/** One of zod's issues as ours: several, where it names several keys. */
function problemsOf(
  issue: z.core.$ZodIssue,
  parent: readonly Key[],
  tell: (path: readonly Key[], message: string) => void
): void {
  const path = [...parent, ...(issue.path as Key[])]
  if (issue.code === 'unrecognized_keys') for (const key of issue.keys) tell([...path, key], UNKNOWN_KEY)
  else tell(path, issue.code === 'invalid_key' ? 'must be a jail name or "*"' : issue.message)
}

/** What YAML allows and a config must not have: keys twice, keys that are not text, aliases, `__proto__`. */
function checkShape(
  node: unknown,
  path: readonly Key[],
  report: (path: readonly Key[], offset: number, message: string) => void
): void {
  if (isAlias(node)) return report(path, node.range?.[0] ?? 0, 'aliases (*name) are not supported')
  if (isSeq(node)) for (const [index, item] of node.items.entries()) checkShape(item, [...path, index], report)
  if (!isMap(node)) return
  const seen = new Set<string>()
  for (const { key, value } of node.items) {
    const offset = isNode(key) ? (key.range?.[0] ?? 0) : 0
    if (!isScalar(key) || typeof key.value !== 'string') {
      report(path, offset, 'a key must be text')
      continue
    }
    const keyPath = [...path, key.value]
    if (key.value === '__proto__') report(keyPath, offset, UNKNOWN_KEY)
    if (seen.has(key.value)) report(keyPath, offset, 'is there already, further up')
    seen.add(key.value)
    checkShape(value, keyPath, report)
  }
}

/** Where to look for a problem: the value if it stands beside its key, or the key; if both are missing, what is around. */
function offsetOf(document: Document.Parsed, path: readonly Key[], ofKey: boolean): number {
  const last = path.at(-1)
  if (last === undefined) return document.contents?.range[0] ?? 0
  const parent = document.getIn(path.slice(0, -1), true)
  if (isMap(parent)) {
    const pair = parent.items.find(({ key }) => isScalar(key) && key.value === last)
    const { key, value } = pair ?? {}
    const besides = !ofKey && (isScalar(value) || (isCollection(value) && value.flow === true))
    const node = besides && value.range?.[0] !== value.range?.[1] ? value : key
    if (isNode(node) && node.range) return node.range[0]
  }
  const item = isSeq(parent) ? parent.items[Number(last)] : undefined
  return isNode(item) && item.range ? item.range[0] : offsetOf(document, path.slice(0, -1), false)
}

function formatKey(path: readonly Key[]): string {
  return path
    .map((key) => {
      if (typeof key === 'number') return `[${key}]`
      return /^[\w*-]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
    })
    .join('')
    .replace(/^\./, '')
}
