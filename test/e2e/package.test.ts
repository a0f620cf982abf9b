/** The package as a user gets it: packed, installed into an empty prefix, and started by the right Node and by an old one. */
import assert from 'node:assert/strict'
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { run, runOk } from '../support/lab-processes.ts'

const CHECKOUT = join(import.meta.dirname, '../..')
const NPM_TIMEOUT_MS = 180_000

const OLD_NODE = await findOldNode()
/** In CI it has to be there, as everything that a test needs (test/support/requirements.ts). */
const noOldNode = OLD_NODE === null && process.env['CI'] !== 'true' && 'every node in PATH is new enough'

const folder = mkdtempSync(join(tmpdir(), 'banmesh-package-'))
const prefix = join(folder, 'prefix')
const banmesh = join(prefix, 'bin/banmesh')

before(async () => {
  // `npm pack` builds first: the prepack script.
  await npm('pack', '--pack-destination', folder, CHECKOUT)
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))!
  await npm('install', '--global', '--prefix', prefix, '--prefer-offline', join(folder, tarball))
})
after(() => rmSync(folder, { recursive: true, force: true }))

test('the installed command prints its version', async () => {
  const { version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as { version: string }
  const output = await run([banmesh, '--version'], withNode(dirname(process.execPath)))
  assert.deepEqual(output, { status: 0, stdout: `${version}\n`, stderr: '' })
})

test('the installed command lays out its fail2ban files', async () => {
  const root = join(folder, 'root')
  await runOk([banmesh, 'install', '--root', root], withNode(dirname(process.execPath)))
  for (const file of ['filter.d', 'jail.d', 'action.d'].map((name) => join('etc/fail2ban', name, 'banmesh.conf'))) {
    assert.ok(existsSync(join(root, file)), file)
  }
})

test('the installed command simulates, on threads too', async () => {
  const size = '--nodes 60 --sightings 3 --colluders 2 --runs 2 --attack colluders --json'.split(' ')
  const simulate = (workers: string) =>
    runOk([banmesh, 'simulate', ...size, '--workers', workers], withNode(dirname(process.execPath)))
  const found = await simulate('2')
  assert.match(found, /"coverage":/)
  assert.equal(found, await simulate('1'))
})

test('no package of the runtime tree has an install script', () => {
  const packages = globSync('lib/**/node_modules/{*,@*/*}/package.json', { cwd: prefix })
  assert.ok(packages.length > 50)
  assert.deepEqual(packages.filter(hasInstallScript), [])
})

test('an old Node is told in one line which one is needed', { skip: noOldNode }, async () => {
  assert.ok(OLD_NODE)
  const { status, stdout, stderr } = await run([banmesh, '--version'], withNode(dirname(OLD_NODE)))
  assert.notEqual(status, 0)
  assert.equal(stdout, '')
  assert.match(stderr, /^banmesh: error: [^\n]*Node\.js 24[^\n]*\n$/)
})

/** What npm runs for a dependency; a `binding.gyp` is a native build without being named. */
function hasInstallScript(path: string): boolean {
  const { scripts = {} } = JSON.parse(readFileSync(join(prefix, path), 'utf8')) as { scripts?: Record<string, string> }
  const names = ['preinstall', 'install', 'postinstall']
  return names.some((name) => name in scripts) || existsSync(join(prefix, dirname(path), 'binding.gyp'))
}

/** The settings that `npm test` leaves in the environment are not those of a user's shell. */
function withNode(bin: string): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_'))
  return { ...Object.fromEntries(own), PATH: [bin, process.env['PATH']].join(delimiter) }
}

async function npm(...args: string[]): Promise<void> {
  await runOk(['npm', ...args], withNode(dirname(process.execPath)), NPM_TIMEOUT_MS)
}

async function findOldNode(): Promise<string | null> {
  for (const bin of process.env['PATH']!.split(delimiter)) {
    const node = join(bin, 'node')
    if (existsSync(node) && Number.parseInt((await runOk([node, '-p', 'process.versions.node'])).trim(), 10) < 24)
      return node
  }
  return null
}
