import assert from 'node:assert/strict'
import { createPublicKey, sign, verify } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createIdentity, explainIdentityRefusal, identityFile, loadIdentity } from '../../src/daemon/identity.ts'

function createFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-identity-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return identityFile(folder)
}

test('a new key is for its owner only, and is the same when loaded', (t) => {
  const file = createFile(t)
  const created = createIdentity(file)
  assert.ok(created.ok)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.match(readFileSync(file, 'utf8'), /^[A-Za-z0-9+/]+=*\n$/)
  const loaded = loadIdentity(file)
  assert.ok(loaded.ok)
  assert.equal(loaded.value.peerId, created.value.peerId)
  assert.match(loaded.value.peerId, /^12D3KooW/)
})

test('all three forms of the key are the same key', async (t) => {
  const file = createFile(t)
  const created = createIdentity(file)
  assert.ok(created.ok)
  const { peerId, libp2pKey, signingKey } = created.value
  assert.equal(peerIdFromPrivateKey(libp2pKey).toString(), peerId)
  const message = Buffer.from('message')
  const signature = sign(null, message, signingKey)
  assert.ok(await libp2pKey.publicKey.verify(message, signature))
  assert.ok(verify(null, message, createPublicKey(signingKey), await libp2pKey.sign(message)))
})

test("libp2p's own key file is taken", async (t) => {
  const file = createFile(t)
  const key = await generateKeyPair('Ed25519')
  writeFileSync(file, Buffer.from(privateKeyToProtobuf(key)).toString('base64'), { mode: 0o600 })
  const loaded = loadIdentity(file)
  assert.ok(loaded.ok)
  assert.equal(loaded.value.peerId, peerIdFromPrivateKey(key).toString())
})

test('a key is never overwritten', (t) => {
  const file = createFile(t)
  assert.ok(createIdentity(file).ok)
  const before = readFileSync(file)
  assert.deepEqual(createIdentity(file), { ok: false, reason: 'exists' })
  assert.deepEqual(readFileSync(file), before)
})

test('a key that others may read, write or execute is refused, and the advice mends it', (t) => {
  const file = createFile(t)
  assert.ok(createIdentity(file).ok)
  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777]) {
    chmodSync(file, mode)
    assert.deepEqual(loadIdentity(file), { ok: false, reason: 'open-to-others' }, mode.toString(8))
  }
  assert.equal(explainIdentityRefusal(file, 'open-to-others').hint, `chmod 600 ${file}`)
  chmodSync(file, 0o600)
  assert.ok(loadIdentity(file).ok)
  chmodSync(file, 0o400)
  assert.ok(loadIdentity(file).ok)
})

test('what is not an Ed25519 key is refused', async (t) => {
  const file = createFile(t)
  const good = Buffer.from(privateKeyToProtobuf(await generateKeyPair('Ed25519')))
  const other = Buffer.from(privateKeyToProtobuf(await generateKeyPair('secp256k1')))
  const mixed = Buffer.from(good)
  mixed[40]! ^= 1
  for (const [what, content] of [
    ['empty', ''],
    ['text', 'not a key'],
    ['raw bytes', good.toString('latin1')],
    ['another type', other.toString('base64')],
    ['cut', good.subarray(0, -1).toString('base64')],
    ['longer', Buffer.concat([good, Buffer.of(0)]).toString('base64')],
    ['a public half of another key', mixed.toString('base64')],
    ['two lines', `${good.toString('base64')}\n${good.toString('base64')}`],
    ['more than a key', `${good.toString('base64')}\n${' '.repeat(200)}`]
  ] as const) {
    writeFileSync(file, content, { mode: 0o600 })
    assert.deepEqual(loadIdentity(file), { ok: false, reason: 'not-a-key' }, what)
  }
})

test('a missing file and a folder are told apart', (t) => {
  const file = createFile(t)
  assert.deepEqual(loadIdentity(file), { ok: false, reason: 'missing' })
  mkdirSync(file)
  assert.deepEqual(loadIdentity(file), { ok: false, reason: 'not-a-file' })
})
