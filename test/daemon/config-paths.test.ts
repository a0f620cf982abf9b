import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import {
  DEFAULT_CONTROL,
  DEFAULT_DATA_DIR,
  findConfig,
  readConfigPaths,
  scanConfigPaths
} from '../../src/daemon/config-paths.ts'
import { configTemplate } from '../../src/daemon/config-template.ts'
import { parseConfig } from '../../src/daemon/config.ts'

const FOLDER = '/srv/banmesh'

function createFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-paths-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

test('the config is what --config names, else $BANMESH_CONFIG, else ./banmesh.yaml', (t) => {
  const cwd = createFolder(t)
  const here = join(cwd, 'banmesh.yaml')
  writeFileSync(here, '')
  const env = { BANMESH_CONFIG: '/from/env.yaml' }
  assert.deepEqual(findConfig({ option: 'sub/x.yaml', env, cwd }), { ok: true, value: join(cwd, 'sub/x.yaml') })
  assert.deepEqual(findConfig({ option: undefined, env, cwd }), { ok: true, value: '/from/env.yaml' })
  assert.deepEqual(findConfig({ option: undefined, env: { BANMESH_CONFIG: '' }, cwd }), { ok: true, value: here })
  assert.deepEqual(findConfig({ option: undefined, env: {}, cwd }), { ok: true, value: here })
})

test('the paths are absolute, and by default those of the contract', async (t) => {
  const folder = createFolder(t)
  mkdirSync(join(folder, 'etc'))
  const file = join(folder, 'etc/banmesh.yaml')
  for (const [text, expected] of [
    ['', { control: DEFAULT_CONTROL, dataDir: DEFAULT_DATA_DIR }],
    ['control: ./c.sock\ndataDir: ../data', { control: join(folder, 'etc/c.sock'), dataDir: join(folder, 'data') }],
    ['{ control: c.sock,\n dataDir: /d }', { control: join(folder, 'etc/c.sock'), dataDir: '/d' }]
  ] as const) {
    writeFileSync(file, text)
    assert.deepEqual(await readConfigPaths(file), { ok: true, value: expected }, text)
  }
})

test('a file that is missing or does not parse is unreadable', async (t) => {
  const file = join(createFolder(t), 'banmesh.yaml')
  assert.deepEqual(await readConfigPaths(file), { ok: false, reason: 'unreadable' })
  writeFileSync(file, 'control: [')
  assert.deepEqual(await readConfigPaths(file), { ok: false, reason: 'unreadable' })
})

test('plain configs are read without the parser: those that init, labs and people write', () => {
  for (const [text, expected] of [
    [configTemplate(), { control: './control.sock', dataDir: '.' }],
    [
      JSON.stringify({ network: 'x', control: 'c.sock', policy: { control: 1 } }, null, 2),
      { control: 'c.sock', dataDir: undefined }
    ],
    ['# only a comment\n', {}],
    ['---\r\ncontrol: "a b"   # why\r\ndataDir: \'it\'\r\n', { control: 'a b', dataDir: 'it' }],
    ['friends:\n- id: x\n  control: y\ncontrol: /c\n  # a comment\n', { control: '/c' }]
  ] as const) {
    assert.deepEqual(scanConfigPaths(text), expected, text)
  }
})

test('what is not plain is left to the parser', () => {
  for (const text of [
    'control:',
    'control: ~',
    'control: !tag x',
    'control: &a x',
    'control: >\n  /c',
    'control: "a\\tb"',
    'control: /c\n  d',
    'control: /c\n- d',
    'control: a: b',
    'control: /a\ncontrol: /b',
    '"control": /c',
    '? control\n: /c',
    '# c\n{ control: /c }',
    '{ control: /c }',
    '\tcontrol: /c',
    '  control: /c',
    '\uFEFFcontrol: /c',
    'network: a\n---\ncontrol: /c',
    '{"control": 5}',
    '{"control": null}'
  ]) {
    assert.equal(scanConfigPaths(text), null, text)
  }
})

test('where a config is valid, the scan says what the parser says, or nothing', () => {
  const line = fc.constantFrom(
    'control: /c',
    'control: c.sock # x',
    'control: "a b"',
    "control: 'a''b'",
    'control: >-\n  /c',
    'control:\n  /c',
    'control: /c\n  d',
    '"control": /c',
    'dataDir: .',
    'dataDir: 5',
    'dataDir: "\\x41"',
    'dataDir: a#b',
    'dataDir: a #b',
    'network: x',
    'network: "x',
    'network: >\n control: /c',
    'friends:',
    '- control: /c',
    '  control: /c',
    'policy: {',
    '  quorum: 1',
    '}',
    'allowlist: [a,\n control: c]',
    '---',
    '...',
    '# control: /c',
    '',
    'listen: []'
  )
  let compared = 0
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
      const text = lines.join('\n')
      const scanned = scanConfigPaths(text)
      const parsed = parseConfig(text, { folder: FOLDER })
      if (scanned === null || !parsed.ok) return
      compared++
      const resolved = (path: string | undefined, missing: string): string =>
        path === undefined ? missing : resolve(FOLDER, path)
      assert.equal(resolved(scanned.control, DEFAULT_CONTROL), parsed.config.control)
      assert.equal(resolved(scanned.dataDir, DEFAULT_DATA_DIR), parsed.config.dataDir)
    }),
    { numRuns: 2000 }
  )
  assert.ok(compared > 100, `only ${compared} texts were valid and plain`)
})
