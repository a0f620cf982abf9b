import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createShell, type Shell } from './shell.ts'

const LATER = '; it takes effect when the daemon starts'

const FILE = `control: ./control.sock
dataDir: .
allowlist:        # never these
  - 192.0.2.0/24  # the office
  - Office.example.net
`

async function typed(shell: Shell, ...words: string[]): Promise<string> {
  const { exit, stdout, stderr } = await shell.banmesh('allow', ...words)
  return exit === 0 ? stdout.trimEnd() : `${exit}: ${stderr.split('\n')[0]}`
}

test('banmesh allow without a daemon: the config is changed, and its comments stay', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', FILE)
  assert.equal(await typed(shell, 'list'), '192.0.2.0/24\nOffice.example.net')
  assert.equal(await typed(shell, 'add', '2001:DB8::1'), `2001:db8::1 is never banned here${LATER}`)
  assert.equal(await typed(shell, 'add', 'Host.Example.'), `host.example is never banned here${LATER}`)
  assert.equal(shell.read('banmesh.yaml'), `${FILE}  - 2001:db8::1\n  - host.example\n`)
  assert.equal(await typed(shell, 'remove', '192.0.2.77/24'), `192.0.2.77/24 is off the allowlist${LATER}`)
  assert.equal(await typed(shell, 'remove', 'office.example.net'), `office.example.net is off the allowlist${LATER}`)
  assert.deepEqual(await shell.json('allow', 'list'), ['2001:db8::1', 'host.example'])
  assert.match(shell.read('banmesh.yaml'), /# never these/)
})

test('what is no entry, is there already or is not there is refused, and the config left alone', async (t) => {
  const shell = createShell(t)
  shell.write('banmesh.yaml', FILE)
  for (const [words, answer] of [
    [
      ['add', 'a b'],
      '2: banmesh: error: an entry of the allowlist must be an address, a CIDR or a host name, not "a b"'
    ],
    [['add', '192.0.2.0/24'], '4: banmesh: error: it is on the allowlist already'],
    [['add', 'OFFICE.example.net'], '4: banmesh: error: it is on the allowlist already'],
    [['remove', '192.0.2.1'], '1: banmesh: error: it is not on the allowlist']
  ] as const) {
    assert.equal(await typed(shell, ...words), answer)
  }
  assert.equal(shell.read('banmesh.yaml'), FILE)
})
