/** What comes with the package: no code that runs at its installation, known licences, and the same bytes from the same sources. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { runOk } from '../support/lab-processes.ts'

const CHECKOUT = join(import.meta.dirname, '../..')

/** What may be used and passed on without asking anybody, also within a program under another licence. */
const LICENCES = new Set([
  'MIT',
  'ISC',
  'Apache-2.0',
  'Apache-2.0 OR MIT',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  '0BSD',
  'MIT OR Apache-2.0'
])

interface Locked {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly license?: string
  readonly dev?: boolean
  readonly hasInstallScript?: boolean
  readonly link?: boolean
}

const lock = JSON.parse(readFileSync(join(CHECKOUT, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, Locked>
}
const packages = Object.entries(lock.packages).filter(([path]) => path !== '')
const runtime = packages.filter(([, { dev }]) => dev !== true)

/** What npm runs when a package is installed, from the registry or from a repository. */
const AT_INSTALLATION = ['preinstall', 'install', 'postinstall', 'preprepare', 'prepare', 'postprepare']

test('no package of the runtime tree runs anything at its installation, in the lockfile and on the disk', () => {
  const { scripts: ours } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as { scripts: object }
  for (const name of AT_INSTALLATION) assert.equal(Object.hasOwn(ours, name), false, `our own ${name}`)
  assert.ok(runtime.length > 50)
  assert.deepEqual(
    runtime.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path),
    []
  )
  const installed = runtime.filter(([path]) => existsSync(join(CHECKOUT, path, 'package.json')))
  assert.ok(installed.length > 50)
  for (const [path] of installed) {
    const { scripts = {} } = JSON.parse(readFileSync(join(CHECKOUT, path, 'package.json'), 'utf8')) as {
      scripts?: Record<string, string>
    }
    for (const name of ['preinstall', 'install', 'postinstall'])
      assert.equal(scripts[name], undefined, `${path}: ${name}`)
    assert.equal(existsSync(join(CHECKOUT, path, 'binding.gyp')), false, path)
    assert.deepEqual(globSync('**/*.node', { cwd: join(CHECKOUT, path) }), [], path)
  }
})

test('of all packages only the one that package.json names runs a script at its installation', () => {
  const { allowScripts } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as {
    allowScripts: Record<string, boolean>
  }
  const named = Object.keys(allowScripts)
  const scripted = packages.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path)
  assert.deepEqual(
    scripted.filter((path) => !named.some((name) => path === `node_modules/${name}`)),
    []
  )
})

test('every package is pinned by a hash and comes from the registry', () => {
  for (const [path, { version, resolved, integrity, link }] of packages) {
    if (link) continue
    assert.match(version ?? '', /^\d/, path)
    assert.match(integrity ?? '', /^sha512-/, path)
    // Without it npm asks the registry that it is set up for.
    if (resolved !== undefined) assert.match(resolved, /^https:\/\/registry\.npmjs\.org\//, path)
  }
})

test('every licence of the runtime tree is on the list', () => {
  const others = runtime
    .filter(([, { license }]) => !LICENCES.has(license ?? ''))
    .map(([path, { license }]) => [path, license])
  assert.deepEqual(others, [])
})

test('two packs of the same sources are the same bytes, and hold nothing but what was built', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banmesh-pack-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const hashes: string[] = []
  for (const name of ['one', 'two']) {
    // Copies, for `npm pack` builds in the place where it is: others may be at work in this one.
    const copy = join(folder, name)
    mkdirSync(copy)
    for (const part of ['src', 'bin', 'package.json', 'tsconfig.json', 'README.md', 'LICENSE', 'CHANGELOG.md']) {
      cpSync(join(CHECKOUT, part), join(copy, part), { recursive: true })
    }
    symlinkSync(join(CHECKOUT, 'node_modules'), join(copy, 'node_modules'))
    const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` }
    await runOk(['npm', 'pack', '--pack-destination', copy, copy], env, 180_000)
    const tarball = readdirSync(copy).find((file) => file.endsWith('.tgz'))!
    hashes.push(
      createHash('sha256')
        .update(readFileSync(join(copy, tarball)))
        .digest('hex')
    )
    const files = (await runOk(['tar', '-tzf', join(copy, tarball)])).trim().split('\n')
    const strange = files.filter(
      (file) => !/^package\/(dist\/|package\.json$|README\.md$|LICENSE$|CHANGELOG\.md$)/.test(file)
    )
    assert.deepEqual(strange, [])
  }
  t.diagnostic(`sha256 ${hashes[0]}`)
  assert.equal(hashes[0], hashes[1])
})

test('the bill of materials names the runtime tree and nothing else', async () => {
  const text = await runOk([
    'npm',
    'sbom',
    '--sbom-format',
    'cyclonedx',
    '--omit',
    'dev',
    '--package-lock-only',
    '--prefix',
    CHECKOUT
  ])
  const { bomFormat, components } = JSON.parse(text) as { bomFormat: string; components: { name: string }[] }
  assert.equal(bomFormat, 'CycloneDX')
  assert.ok(components.length > 50 && components.some(({ name }) => name === 'libp2p'))
  assert.equal(
    components.some(({ name }) => name === 'typescript'),
    false
  )
})
