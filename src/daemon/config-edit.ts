/**
 * Changes to the lists of banmesh.yaml (`friends`, `allowlist`) that leave everything else as it is, to the byte. A change
 * is spliced into the text where the parser says its place is. The result is parsed again and compared with what was
 * meant; if the text was laid out so unusually that they differ, the YAML library writes the whole file anew, which keeps
 * the comments but not the alignment.
 */
import { isDeepStrictEqual } from 'node:util'
import { isMap, isPair, isScalar, isSeq, parseDocument, stringify, type Document, type Pair, type YAMLSeq } from 'yaml'

type ListKey = 'friends' | 'allowlist'
type Value = string | number | boolean | readonly string[]

/** A friend as the file has it; percent. */
export interface FriendEntry {
  readonly id: string
  readonly name?: string
  readonly trust: number
  readonly addresses: readonly string[]
  readonly observe?: boolean
}

interface Raw {
  friends?: Record<string, unknown>[] | null
  allowlist?: unknown[] | null
}

/** What a splice needs to know of the text. */
interface Source {
  readonly text: string
  readonly document: Document.Parsed
  readonly eol: string
}

/**
 * The positions of the friends that `who` names: by peer ID, by name, or by the end of the ID that stands for a missing
 * name. Entries that don't pass the schema are found too, for somebody has to be able to remove them.
 */
export function findFriends(text: string, who: string): number[] {
  const entries = rawOf(text).friends
  if (!Array.isArray(entries)) return []
  return entries.flatMap((entry: Partial<Record<string, unknown>> | null, index) => {
    const id = textOrEmpty(entry?.['id'])
    return [id, textOrEmpty(entry?.['name'] ?? id.slice(-8))].includes(who) ? [index] : []
  })
}

export function addFriend(text: string, entry: FriendEntry): string {
  return append(text, 'friends', { ...entry })
}

/** `index` as `findFriends` counts. */
export function removeFriend(text: string, index: number): string {
  return remove(text, 'friends', index)
}

export function changeFriend(
  text: string,
  index: number,
  key: 'trust' | 'observe' | 'paused' | 'id' | 'was',
  value: Value
): string {
  return change(text, (raw) => (raw.friends![index]![key] = value), {
    splice: (source) => setField(source, listOf(source.document, 'friends')?.items[index], key, value),
    rewrite: (document) => document.setIn(['friends', index, key], value)
  })
}

export function listAllowed(text: string): unknown[] {
  const entries = rawOf(text).allowlist
  return Array.isArray(entries) ? entries : []
}

export function addAllowed(text: string, entry: string): string {
  return append(text, 'allowlist', entry)
}

/** `index` counts as `listAllowed` does. */
export function removeAllowed(text: string, index: number): string {
  return remove(text, 'allowlist', index)
}

function append(text: string, key: ListKey, value: unknown): string {
  return change(text, (raw) => (raw[key] = [...((raw[key] ?? []) as never[]), value as never]), {
    splice: (source) => appendItem(source, key, value),
    rewrite(document) {
      if (listOf(document, key) === null) document.set(key, document.createNode([]))
      document.addIn([key], document.createNode(value))
    }
  })
}

function remove(text: string, key: ListKey, index: number): string {
  return change(text, (raw) => raw[key]!.splice(index, 1), {
    splice: (source) => removeItem(source, key, index),
    rewrite: (document) => document.deleteIn([key, index])
  })
}

interface Ways {
  readonly splice: (source: Source) => string | null
  readonly rewrite: (document: Document.Parsed) => void
}

function change(text: string, mean: (raw: Raw) => void, { splice, rewrite }: Ways): string {
  const meant = rawOf(text)
  mean(meant)
  const document = parseDocument(text)
  const spliced = splice({ text, document, eol: text.includes('\r\n') ? '\r\n' : '\n' })
  if (spliced !== null && parseDocument(spliced).errors.length === 0 && isDeepStrictEqual(rawOf(spliced), meant)) {
    return spliced
  }
  rewrite(document)
  return document.toString({ lineWidth: 0 })
}

function appendItem({ text, document, eol }: Source, key: ListKey, value: unknown): string | null {
  const pair = pairOf(document, key)
  if (pair === null) {
    const whole = text === '' || text.endsWith('\n') ? text : text + eol
    return `${whole}${key}:${eol}${blockItem(value, '  ', eol)}`
  }
  const list = pair.value
  if (isSeq(list) && list.items.length > 0) {
    const end = endOf(list.items.at(-1))
    if (list.flow === true) return `${text.slice(0, end)}, ${JSON.stringify(value)}${text.slice(end)}`
    return insertLine(text, end, blockItem(value, columnOf(text, list.range![0]), eol), eol)
  }
  const [start, end] = rangeOf(list) ?? []
  if (start === undefined || end === undefined) return null
  if (isMap(document.contents) && document.contents.flow === true) {
    return `${text.slice(0, start)}[${JSON.stringify(value)}]${text.slice(end)}`
  }
  const emptied = text.slice(0, start).trimEnd() + text.slice(end)
  return insertLine(emptied, text.slice(0, start).trimEnd().length, blockItem(value, '  ', eol), eol)
}

function removeItem({ text, document }: Source, key: ListKey, index: number): string | null {
  const list = listOf(document, key)
  const [start] = rangeOf(list?.items[index]) ?? []
  if (list === null || start === undefined) return null
  const end = endOf(list.items[index])
  if (list.flow === true) {
    if (index > 0) return text.slice(0, endOf(list.items[index - 1])) + text.slice(end)
    const next = rangeOf(list.items[1])?.[0]
    return text.slice(0, start) + text.slice(next ?? end)
  }
  const from = lineStart(text, text.lastIndexOf('-', start - 1))
  const rest = text.slice(0, from) + text.slice(lineEnd(text, end))
  if (list.items.length > 1) return rest
  const colon = text.indexOf(':', rangeOf(pairOf(document, key)?.key)![1])
  return `${rest.slice(0, colon + 1)} []${rest.slice(colon + 1)}`
}

function setField({ text, eol }: Source, entry: unknown, key: string, value: Value): string | null {
  if (!isMap(entry)) return null
  const pair = entry.items.find((item) => isScalar(item.key) && item.key.value === key)
  if (pair !== undefined) {
    const [start, end] = rangeOf(pair.value) ?? []
    if (start === undefined || end === undefined || start === end) return null
    return text.slice(0, start) + JSON.stringify(value) + text.slice(end)
  }
  const id = entry.items.find((item) => isScalar(item.key) && item.key.value === 'id')
  const at = rangeOf(id?.key)
  if (id === undefined || at === null) return null
  const end = endOf(id.value)
  if (entry.flow !== true) {
    return insertLine(text, end, `${columnOf(text, at[0])}${key}: ${JSON.stringify(value)}${eol}`, eol)
  }
  const name = text[at[0]] === '"' ? JSON.stringify(key) : key
  return `${text.slice(0, end)}, ${name}: ${JSON.stringify(value)}${text.slice(end)}`
}

/** The item as lines of a block list whose dashes stand after `indent`. */
function blockItem(value: unknown, indent: string, eol: string): string {
  const lines = stringify(value, { lineWidth: 0 }).trimEnd().split('\n')
  return lines.map((line, index) => `${indent}${index === 0 ? '- ' : '  '}${line}${eol}`).join('')
}

function insertLine(text: string, offset: number, lines: string, eol: string): string {
  const at = lineEnd(text, offset)
  const before = text.slice(0, at)
  return `${before}${before.endsWith('\n') ? '' : eol}${lines}${text.slice(at)}`
}

/** The offset after the last character of a node that is not a comment or white space. */
function endOf(node: unknown): number {
  if (isPair(node)) return endOf(node.value ?? node.key)
  if ((isMap(node) || isSeq(node)) && node.flow !== true && node.items.length > 0) return endOf(node.items.at(-1))
  return rangeOf(node)?.[1] ?? 0
}

function rangeOf(node: unknown): readonly [number, number, number] | null {
  return (node as { range?: readonly [number, number, number] | null } | null | undefined)?.range ?? null
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1
}

/** The offset after the line break that follows `offset`; a block scalar ends with its own. */
function lineEnd(text: string, offset: number): number {
  if (text[offset - 1] === '\n') return offset
  const at = text.indexOf('\n', offset)
  return at < 0 ? text.length : at + 1
}

/** As many spaces as stand or would stand before `offset` in its line. */
function columnOf(text: string, offset: number): string {
  return ' '.repeat(offset - lineStart(text, offset))
}

function pairOf(document: Document.Parsed, key: string): Pair | null {
  if (!isMap(document.contents)) return null
  return document.contents.items.find((item) => isScalar(item.key) && item.key.value === key) ?? null
}

function listOf(document: Document.Parsed, key: string): YAMLSeq | null {
  const list = pairOf(document, key)?.value
  return isSeq(list) ? list : null
}

function rawOf(text: string): Raw {
  return (parseDocument(text).toJS() ?? {}) as Raw
}

function textOrEmpty(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
