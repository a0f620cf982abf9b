/**
 * Changing a node's key: telling friends, and taking a friend's word for its own change. The statement goes to direct
 * friends only, from the node itself: under its old ID before the restart, under its new ID after it. A friend takes it
 * once, in the config, and says so loudly. (What it means if the old key was stolen: README, "A stolen key".)
 */
import { readFileSync, rmSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Connection, Stream } from '@libp2p/interface'
import { byteStream } from '@libp2p/utils'
import { admit, RESTED } from '../core/rate.ts'
import type { PeerId } from '../core/report.ts'
import { ok, refuse, type Result } from '../core/result.ts'
import { decodeRotation, encodeRotation, ROTATION_BYTES } from '../wire/rotation.ts'
import { changeFriend, findFriends } from './config-edit.ts'
import { editConfigFile } from './config-file.ts'
import { fingerprint } from './fingerprint.ts'
import type { Friends } from './friends.ts'
import type { Identity } from './identity.ts'
import { createFile, type Owner } from './owner.ts'

/** A statement is taken, and told, for so long. */
export const ROTATION_LIFE_MS = 30 * 86_400_000
const SKEW_MS = 10 * 60_000
/** Statements looked at, of everybody together. */
const RATE = { perSecond: 0.2, burst: 20 }
const STREAM_MS = 5000
const RETRY_MS = 5000
/** The first byte of a statement's frame is its length. */
const TAKEN = 1
const REFUSED = 0

export function rotationProtocol(network: string): string {
  return `/banmesh/${network}/rotation/1.0.0`
}

export function rotationFile(dataDir: string): string {
  return join(dataDir, 'identity.rotation')
}

export interface RotationsOptions {
  readonly network: string
  readonly self: PeerId
  readonly dataDir: string
  readonly configFile: string
  readonly friends: Friends
  /** Friends with an open connection, and whether gossip with them works. */
  connected(): readonly { readonly id: PeerId; readonly ready: boolean }[]
  openStream(friend: PeerId, protocol: string): Promise<Stream>
  /** Takes the changed config over. */
  reload(): Promise<unknown>
  /** Something that the operator has to know. */
  report(message: string, detail?: Record<string, unknown>): void
  /** Unix ms. */
  now(): number
}

export interface Rotations {
  /** For the protocol's streams, of whomever. */
  accept(stream: Stream, connection: Connection): Promise<void>
  start(): void
  stop(): void
  /** Tells all connected friends of the statement in `identity.rotation`; `told` of `total` have taken it over. */
  tell(): Promise<{ readonly told: number; readonly total: number }>
}

type Refusal = 'not-fresh' | 'not-its-own' | 'not-a-friend' | 'known-already' | 'second-successor' | 'not-writable'

export function createRotations(options: RotationsOptions): Rotations {
  const { network, self, friends, now } = options
  const protocol = rotationProtocol(network)
  const told = new Set<PeerId>()
  let rate = RESTED
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  /** Null if there is none, or none that is worth telling. */
  function own(): { bytes: Uint8Array; next: PeerId } | null {
    const bytes = readRotation(network, options.dataDir)
    const rotation = bytes === null ? null : decodeRotation(network, bytes)
    if (!rotation?.ok || now() - rotation.value.issuedAt > ROTATION_LIFE_MS) return null
    const { old, next } = rotation.value
    return old === self || next === self ? { bytes: bytes!, next } : null
  }

  /** Whoever it is about must be the one who brings it: a statement that wanders about does nothing. */
  async function take(
    bytes: Uint8Array,
    from: PeerId
  ): Promise<Result<'changed' | 'known', Refusal | 'not-a-statement'>> {
    const rotation = decodeRotation(network, bytes)
    if (!rotation.ok) return refuse('not-a-statement')
    const { old, next, issuedAt } = rotation.value
    if (from !== old && from !== next) return refuse('not-its-own')
    if (issuedAt > now() + SKEW_MS || issuedAt < now() - ROTATION_LIFE_MS) return refuse('not-fresh')
    if (friends.get(next)?.was === old) return ok('known')
    const friend = friends.get(old)
    const moved = friends.all().find(({ was }) => was === old)
    if (moved !== undefined) {
      const detail = { friend: moved.name, id: moved.id, other: next }
      options.report(
        `the old key of ${moved.name} has signed a second new ID: ask its operator, the key may be stolen`,
        detail
      )
      return refuse('second-successor')
    }
    if (friend === undefined) return refuse('not-a-friend')
    if (friends.get(next) !== undefined || next === self) return refuse('known-already')
    const edited = await editConfigFile(options.configFile, (text) => {
      const [index] = findFriends(text, old)
      if (index === undefined) return refuse('not-a-friend')
      return ok(changeFriend(changeFriend(text, index, 'was', old), index, 'id', next))
    })
    const detail = { friend: friend.name, old, next, fingerprint: fingerprint(next) }
    if (!edited.ok) {
      const command = `banmesh friend remove ${old} && banmesh friend add ${next}`
      options.report(`${friend.name} has a new peer ID, but the config can't be changed; by hand: ${command}`, detail)
      return refuse('not-writable')
    }
    options.report(
      `${friend.name} has a new peer ID, signed by its old key: compare ${fingerprint(next)} by voice`,
      detail
    )
    return ok('changed')
  }

  async function tellOne(friend: PeerId, bytes: Uint8Array): Promise<boolean> {
    let stream: Stream | undefined
    try {
      stream = await options.openStream(friend, protocol)
      const frames = byteStream(stream)
      const signal = AbortSignal.timeout(STREAM_MS)
      await frames.write(Uint8Array.of(bytes.length, ...bytes), { signal })
      const answer = (await frames.read({ bytes: 1, signal })).subarray()
      if (answer[0] === TAKEN) told.add(friend)
    } catch {
      // It is away, or of an older version, or does not let us in: another time.
    } finally {
      stream?.abort(new Error('told'))
    }
    return told.has(friend)
  }

  /** After the restart: friends who know us by the old ID refuse our gossip, and are told. */
  async function round(): Promise<void> {
    const statement = own()
    if (statement !== null && statement.next === self) {
      for (const { id, ready } of options.connected()) {
        if (ready) told.add(id)
        else if (!told.has(id)) await tellOne(id, statement.bytes)
      }
      if (friends.all().every(({ id }) => told.has(id))) {
        unlinkSync(rotationFile(options.dataDir))
        return
      }
    } else if (statement === null) return
    if (!stopped) timer = setTimeout(() => void round(), RETRY_MS)
  }

  return {
    async accept(stream, { remotePeer }) {
      const admission = admit(rate, RATE, now())
      rate = admission.state
      if (!admission.admitted) return stream.abort(new Error('too many statements'))
      try {
        const signal = AbortSignal.timeout(STREAM_MS)
        const frames = byteStream(stream, { maxBufferSize: 4 * ROTATION_BYTES })
        const [length] = (await frames.read({ bytes: 1, signal })).subarray()
        const bytes = (await frames.read({ bytes: length!, signal })).slice()
        const taken = await take(bytes, remotePeer.toString() as PeerId)
        await frames.write(Uint8Array.of(taken.ok ? TAKEN : REFUSED), { signal })
        await stream.close({ signal })
        // Not before the other side has ended the stream too, for it has read the answer then: this ends the connections
        // with both IDs.
        await frames.read({ signal }).catch(() => null)
        if (taken.ok && taken.value === 'changed') await options.reload()
      } catch {
        stream.abort(new Error('not a statement'))
      }
    },
    start() {
      timer = setTimeout(() => void round(), 0)
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
    async tell() {
      const statement = own()
      const all = friends.all().length
      if (statement === null) return { told: 0, total: all }
      const there = options.connected().filter(({ ready }) => ready)
      await Promise.all(there.map(({ id }) => tellOne(id, statement.bytes)))
      return { told: told.size, total: all }
    }
  }
}

/** Null if there is none, or the file holds something else. */
export function readRotation(network: string, dataDir: string): Uint8Array | null {
  try {
    const bytes = readFileSync(rotationFile(dataDir))
    return decodeRotation(network, bytes).ok ? bytes : null
  } catch {
    return null
  }
}

/** In the place of an older one, or of a link; durable before the new key is in its place. */
export function writeRotation(dataDir: string, bytes: Uint8Array, owner: Owner | null = null): void {
  rmSync(rotationFile(dataDir), { force: true })
  createFile(rotationFile(dataDir), bytes, 0o600, owner)
}

/** `now`: Unix ms. */
export function signRotation(network: string, old: Identity, next: Identity, now: number): Uint8Array {
  const rotation = { old: old.peerId, next: next.peerId, issuedAt: now }
  return encodeRotation(network, rotation, { old: old.signingKey, next: next.signingKey })
}
