/** The Debian package: built, installed in a bare Debian 12, booted with systemd, removed and purged there. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../support/lab-processes.ts'
import { requires } from '../support/requirements.ts'

const SCRIPT = join(import.meta.dirname, '../../src/packaging/debian/test')
const skip = requires({ root: true, commands: ['dpkg-deb', 'debootstrap', 'systemd-nspawn', 'nft'] })

/** Two minutes on an idle machine, and some of that for Debian's mirror. */
const TIMEOUT_MS = 600_000

test(
  'the package comes, runs under systemd, and goes without leaving a ban',
  { skip, timeout: TIMEOUT_MS },
  async (t) => {
    const { status, stdout, stderr } = await run([SCRIPT], process.env, TIMEOUT_MS)
    const lines = stdout.split('\n')
    const passed = lines.filter((line) => line.startsWith('ok ')).length
    const leftOut = lines.filter((line) => line.startsWith('left out'))
    t.diagnostic([`${passed} checks`, ...leftOut].join('; '))
    assert.equal(status, 0, `${stdout}${stderr}`)
    assert.ok(passed > (leftOut.length > 0 ? 10 : 40), stdout)
  }
)
