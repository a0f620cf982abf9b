import assert from 'node:assert/strict'
import { chownSync, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fingerprint } from '../../src/daemon/fingerprint.ts'
import { requires } from '../support/requirements.ts'
import { createShell, LOOPBACK, pretendDaemon, type Shell } from './shell.ts'

async function node(shell: Shell, more: Record<string, unknown> = {}): Promise<string> {
  await shell.banmesh('init')
  shell.write('banmesh.yaml', JSON.stringify({ ...LOOPBACK, listen: ['/ip4/127.0.0.1/tcp/7337'], ...more }))
  return ((await shell.json('id')) as { peerId: string }).peerId
}

test('id and invite show the fingerprint, and invite --qr a code that holds the line', async (t) => {
  const shell = createShell(t)
  const peerId = await node(shell)
  const digits = fingerprint(peerId)
  const shown = await shell.banmesh('id')
  assert.equal(shown.stdout, `${peerId}\n/ip4/127.0.0.1/tcp/7337/p2p/${peerId}\nfingerprint: ${digits}\n`)
  const plain = await shell.banmesh('invite')
  assert.equal(plain.stdout, `banmesh:test:${peerId}@/ip4/127.0.0.1/tcp/7337\n`)
  const { stdout } = await shell.banmesh('invite', '--qr')
  const [line, , ...code] = stdout.trimEnd().split('\n')
  assert.equal(`${line}\n`, plain.stdout)
  assert.equal(code.at(-1), `fingerprint: ${digits}`)
  const { renderUnicodeCompact } = await import('uqr')
  assert.equal(code.slice(0, -2).join('\n'), renderUnicodeCompact(line!, { border: 2 }))
  assert.equal(((await shell.json('invite')) as { fingerprint: string }).fingerprint, digits)
})

test('a status with somebody who knocked says how to let them in', async (t) => {
  const shell = createShell(t)
  await node(shell)
  const lastSeen = Math.floor(Date.now() / 1000) - 3690
  const knocks = [{ id: '12D3KooWeve', address: '/ip4/192.0.2.9/tcp/1\u001b[2J', lastSeen, count: 3 }]
  const handoff = { log: null, fail2ban: null, nftables: null, exec: null }
  const status = {
    listen: [],
    alerts: [],
    sync: [],
    refused: {},
    friends: {},
    dht: {},
    verdicts: {},
    handoff,
    knocks,
    enforcement: []
  }
  await pretendDaemon(t, shell, {
    status: () => ({
      ...status,
      peerId: '',
      network: '',
      mode: 'enforce',
      web: null,
      reachability: 'behind-nat',
      flushed: 0,
      lastError: null
    })
  } as never)
  const { stdout, stderr } = await shell.banmesh('status')
  assert.equal(stderr, '')
  assert.match(
    stdout,
    /^knocking +from \/ip4\/192\.0\.2\.9\/tcp\/1\?\[2J, 1h 1m ago, 3 times; if it is a friend: banmesh friend add 12D3KooWeve$/m
  )
  assert.match(stdout, /^reachable +not directly/m)
})

test(
  'a key that root rotates stays that of the daemon, which is another user',
  { skip: requires({ root: true }) },
  async (t) => {
    const shell = createShell(t)
    const before = await node(shell)
    chownSync(join(shell.folder, 'identity.key'), 12345, 54321)
    await shell.json('id', 'rotate')
    for (const file of ['identity.key', 'identity.rotation', `identity.key.${before.slice(-8)}`]) {
      const { uid, gid, mode } = statSync(join(shell.folder, file))
      assert.deepEqual([uid, gid, mode & 0o777], [12345, 54321, 0o600], file)
    }
  }
)

test(
  "what root makes in another user's folder, the daemon's, the daemon can read",
  { skip: requires({ root: true }) },
  async (t) => {
    const shell = createShell(t)
    const belongsToDaemon = (...names: string[]): void => {
      for (const name of names) {
        const { uid, gid } = statSync(join(shell.folder, name))
        assert.deepEqual([uid, gid], [12345, 54321], name)
      }
    }
    await node(shell, { networkKey: 'network.key', dataDir: 'data' })
    mkdirSync(join(shell.folder, 'data'))
    renameSync(join(shell.folder, 'identity.key'), join(shell.folder, 'data/identity.key'))
    await shell.banmesh('id', 'network-key', 'network.key')
    assert.equal(statSync(join(shell.folder, 'network.key')).uid, 0)
    await shell.json('id', 'rotate')
    assert.equal((await shell.banmesh('id', 'export', 'node.json')).exit, 0)
    mkdirSync(join(shell.folder, 'there'))
    chownSync(join(shell.folder, 'there'), 12345, 54321)
    assert.equal((await shell.banmesh('id', 'import', 'node.json', '--dir', 'there')).exit, 0)
    belongsToDaemon('there/banmesh.yaml', 'there/network.key', 'there/data')
    belongsToDaemon('there/data/identity.key', 'there/data/identity.rotation')
    assert.equal((await shell.banmesh('id', 'network-key', 'there/other.key')).exit, 0)
    assert.equal((await shell.banmesh('init', '--dir', 'there/new')).exit, 0)
    belongsToDaemon('there/other.key', 'there/new', 'there/new/banmesh.yaml', 'there/new/identity.key')
  }
)

test('id rotate follows no link, nor writes to one', async (t) => {
  const shell = createShell(t)
  const at = (name: string): string => join(shell.folder, name)
  const before = await node(shell)
  const rotate = async (): Promise<number> => (await shell.banmesh('id', 'rotate')).exit
  mkdirSync(at('elsewhere'))
  renameSync(at('identity.key'), at('elsewhere/key'))
  symlinkSync(at('elsewhere/key'), at('identity.key'))
  const listed = readdirSync(shell.folder)
  const { stderr } = await shell.banmesh('id', 'rotate')
  assert.match(stderr, /^banmesh: error: .*identity\.key is not a file$/m)
  assert.deepEqual(readdirSync(shell.folder), listed, 'no copy of what the link leads to')
  renameSync(at('elsewhere/key'), at('identity.key'))
  const planted = at('elsewhere/planted')
  const kept = `identity.key.${before.slice(-8)}`
  for (const [name, exit] of [
    ['identity.rotation', 4],
    [kept, 1]
  ] as const) {
    symlinkSync(planted, at(name))
    assert.equal(await rotate(), exit, name)
    assert.ok(lstatSync(at(name)).isSymbolicLink(), name)
    rmSync(at(name))
  }
  const key = shell.read('identity.key')
  writeFileSync(planted, 'theirs')
  rmSync(at('identity.key.new'), { force: true })
  symlinkSync(planted, at('identity.key.new'))
  assert.equal(await rotate(), 0)
  assert.equal(shell.read('elsewhere/planted'), 'theirs')
  assert.ok(lstatSync(at('identity.key')).isFile())
  assert.equal(shell.read(kept), key)
})

test(
  "id rotate gives the key to the old one's owner, not to that of the folder",
  { skip: requires({ root: true }) },
  async (t) => {
    const shell = createShell(t)
    await node(shell)
    chownSync(shell.folder, 12345, 54321)
    const { kept } = (await shell.json('id', 'rotate')) as { kept: string }
    for (const file of [kept, join(shell.folder, 'identity.key')]) assert.equal(statSync(file).uid, 0, file)
  }
)

test('an import writes no secret but a key, and follows no link', async (t) => {
  const shell = createShell(t)
  await shell.banmesh('id', 'network-key', 'network.key')
  await node(shell, { networkKey: 'network.key' })
  writeFileSync(join(shell.folder, 'identity.rotation'), 'root:secret')
  await shell.banmesh('id', 'export', 'node.json')
  const bundle = JSON.parse(shell.read('node.json')) as Record<string, unknown>
  assert.equal(bundle['rotation'], null, 'it is no statement')
  for (const change of [{ networkKey: '* * * * * root true' }, { identity: 'root:secret' }, { peerId: 'another' }]) {
    shell.write('changed.json', JSON.stringify({ ...bundle, ...change }))
    assert.equal(
      (await shell.banmesh('id', 'import', 'changed.json', '--dir', 'there')).exit,
      2,
      JSON.stringify(change)
    )
    assert.equal(existsSync(join(shell.folder, 'there')), false)
  }
  mkdirSync(join(shell.folder, 'there'))
  symlinkSync(join(shell.folder, 'planted'), join(shell.folder, 'there/network.key'))
  assert.equal((await shell.banmesh('id', 'import', 'node.json', '--dir', 'there')).exit, 1)
  assert.equal(existsSync(join(shell.folder, 'planted')), false)
  shell.write('network.key', 'root:secret')
  assert.equal((await shell.banmesh('id', 'export', 'other.json')).exit, 2)
  assert.equal(existsSync(join(shell.folder, 'other.json')), false)
})

test('a rotated key is a new one, the old one is kept, and a second rotation waits for the first', async (t) => {
  const shell = createShell(t)
  const before = await node(shell)
  const rotated = (await shell.json('id', 'rotate')) as { peerId: string; old: string; kept: string }
  assert.equal(rotated.old, before)
  assert.notEqual(rotated.peerId, before)
  assert.equal(((await shell.json('id')) as { peerId: string }).peerId, rotated.peerId)
  for (const file of ['identity.key', 'identity.rotation', `identity.key.${before.slice(-8)}`]) {
    assert.equal(statSync(join(shell.folder, file)).mode & 0o777, 0o600, file)
  }
  const again = await shell.banmesh('id', 'rotate')
  assert.equal(again.exit, 4)
  assert.match(again.stderr, /^banmesh: error: the key was changed already, and not all friends know yet$/m)
})

test('a node moves to another folder by export and import, with its network key, and nothing is overwritten', async (t) => {
  const shell = createShell(t)
  assert.equal((await shell.banmesh('id', 'network-key', 'network.key')).exit, 0)
  assert.equal((await shell.banmesh('id', 'network-key', 'network.key')).exit, 1)
  const peerId = await node(shell, { networkKey: 'network.key' })
  assert.equal((await shell.banmesh('id', 'export', 'node.json')).exit, 0)
  assert.equal(statSync(join(shell.folder, 'node.json')).mode & 0o777, 0o600)
  assert.equal((await shell.banmesh('id', 'export', 'node.json')).exit, 1)
  mkdirSync(join(shell.folder, 'there'))
  const imported = await shell.json('id', 'import', 'node.json', '--dir', 'there')
  assert.equal((imported as { peerId: string }).peerId, peerId)
  for (const file of ['banmesh.yaml', 'identity.key', 'network.key']) {
    assert.equal(shell.read(join('there', file)), shell.read(file), file)
  }
  const twice = await shell.banmesh('id', 'import', 'node.json', '--dir', 'there')
  assert.match(twice.stderr, /^banmesh: error: .*identity\.key exists already and is not overwritten$/m)
  writeFileSync(join(shell.folder, 'junk'), '{}')
  assert.equal((await shell.banmesh('id', 'import', 'junk', '--dir', 'x')).exit, 2)
})
