/** Who could be whose friend: random graphs of the three kinds that people's networks resemble, or a file. */
import { readFile } from 'node:fs/promises'
import { ok, refuse, type Result } from '../../core/result.ts'
import type { Links } from './graph.ts'
import type { Random } from './random.ts'

export const SHAPES = ['small-world', 'scale-free', 'communities'] as const

export type Shape = (typeof SHAPES)[number]

export interface Friendships {
  readonly nodes: number
  readonly links: Links
}

/** Share of links that lead far away, in the small world and between communities. */
const FAR = 0.1
const COMMUNITY_NODES = 25
/** Of a file: enough for 100,000 nodes with 100 friends each. */
const MAX_LINKS = 5_000_000

/** `friends` is the mean number of friends; an odd one is rounded up where links come in pairs. */
export function createFriendships(shape: Shape, nodes: number, friends: number, random: Random): Friendships {
  const each = Math.max(1, Math.min(Math.ceil(friends / 2), Math.floor((nodes - 1) / 2)))
  const links = new Int32Array(nodes * each * 2)
  const fill = { 'small-world': smallWorld, 'scale-free': scaleFree, communities }[shape]
  fill(links, nodes, each, random)
  return { nodes, links }
}

/** Watts and Strogatz 1998: a ring of neighbours, with some links turned to anywhere. */
function smallWorld(links: Int32Array, nodes: number, each: number, random: Random): void {
  for (let node = 0, at = 0; node < nodes; node++) {
    for (let step = 1; step <= each; step++) {
      links[at++] = node
      links[at++] = random.next() < FAR ? random.below(nodes) : (node + step) % nodes
    }
  }
}

/** Barabasi and Albert 1999: newcomers befriend those who have many friends. */
function scaleFree(links: Int32Array, nodes: number, each: number, random: Random): void {
  for (let node = 0, at = 0; node < nodes; node++) {
    // An end of a random link is a node in proportion to its number of friends.
    const ends = at
    for (let i = 0; i < each; i++) {
      links[at++] = node
      links[at++] = node <= each ? (node + 1 + i) % (each + 1) : links[random.below(ends)]!
    }
  }
}

/** Groups in which people know each other, and some who know others. */
function communities(links: Int32Array, nodes: number, each: number, random: Random): void {
  for (let node = 0, at = 0; node < nodes; node++) {
    const first = node - (node % COMMUNITY_NODES)
    const size = Math.min(COMMUNITY_NODES, nodes - first)
    for (let i = 0; i < each; i++) {
      links[at++] = node
      links[at++] = random.next() < FAR ? random.below(nodes) : first + random.below(size)
    }
  }
}

export type FileRefusal = 'unreadable' | 'empty' | 'too-many-links' | `line ${number}`

/** Two names a line, with blanks or a comma between; `#` and `%` begin comments. Names become numbers in their order. */
export async function readFriendships(path: string): Promise<Result<Friendships, FileRefusal>> {
  const text = await readFile(path, 'utf8').catch(() => null)
  return text === null ? refuse('unreadable') : parseFriendships(text)
}

export function parseFriendships(text: string): Result<Friendships, FileRefusal> {
  const numbers = new Map<string, number>()
  const links: number[] = []
  for (const [i, line] of text.split('\n').entries()) {
    const words = line
      .replace(/[#%].*/, '')
      .split(/[\s,]+/)
      .filter(Boolean)
    if (words.length === 0) continue
    if (words.length === 1) return refuse(`line ${i + 1}`)
    if (links.length === 2 * MAX_LINKS) return refuse('too-many-links')
    for (const word of words.slice(0, 2)) {
      if (!numbers.has(word)) numbers.set(word, numbers.size)
      links.push(numbers.get(word)!)
    }
  }
  return links.length === 0 ? refuse('empty') : ok({ nodes: numbers.size, links })
}
