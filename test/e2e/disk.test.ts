/** A disk that fails: what is refused is said to be refused, what was acknowledged stays, and the daemon lives on. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createMesh, type MeshHandle, type NodeHandle } from '../support/nodes.ts'
import { requires } from '../support/requirements.ts'
import { until } from '../support/until.ts'

const DISK_BYTES = 4 * 1024 * 1024
const FIRST = '198.51.100.1'
const LATER = '198.51.100.2'
const MAIN = new URL('../../bin/banmesh.ts', import.meta.url).pathname

const mounts = { skip: requires({ root: true, commands: ['mount', 'umount'] }) }

/** A node whose data folder is a small disk of its own. */
async function withSmallDisk(work: (node: NodeHandle, disk: string) => Promise<void>): Promise<void> {
  await using mesh: MeshHandle = createMesh({ friends: { alice: [] }, config: () => ({ dataDir: 'disk' }) })
  const alice = mesh.node('alice')
  const disk = join(alice.dir, 'disk')
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES},mode=700`, 'tmpfs', disk])
  try {
    execFileSync('cp', ['-p', join(alice.dir, 'identity.key'), disk])
    await work(alice, disk)
  } finally {
    await alice.kill()
    execFileSync('umount', [disk])
  }
}

function fillUp(file: string): void {
  const fd = openSync(file, 'w')
  try {
    for (const chunk = Buffer.alloc(4096); ;) writeSync(fd, chunk)
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
  } finally {
    closeSync(fd)
  }
}

test(
  'a full disk refuses bans with a reason, keeps what was acknowledged, and takes bans again once it has space',
  mounts,
  () =>
    withSmallDisk(async (alice, disk) => {
      await alice.start()
      await alice.ban(FIRST)
      fillUp(join(disk, 'filler'))
      let host = 0
      const refused = await until(async () => {
        const body = { subject: `203.0.113.${host++ % 256}`, ttlSeconds: 60 }
        const answer = await alice.call({ method: 'POST', path: '/v1/bans', body })
        return answer.ok ? null : answer
      }, 'the ledger to find no space')
      assert(refused.reason === 'refused' && refused.status === 500)
      assert.match(refused.error.message, /the ledger can't be written/)
      assert.match((await alice.status()).lastError ?? '', /the ledger can't be written/)
      assert.equal((await alice.why(FIRST)).accepted, true)
      rmSync(join(disk, 'filler'))
      await alice.ban(LATER)
      await alice.kill()
      await alice.start()
      assert.equal((await alice.why(FIRST)).accepted, true)
      assert.equal((await alice.why(LATER)).accepted, true)
    })
)

test(
  'a ledger that is damaged, of a newer version or not writable ends the start at once, with what to do',
  mounts,
  () =>
    withSmallDisk(async (alice, disk) => {
      const ledger = join(disk, 'ledger.db')
      const run = () => {
        const config = join(alice.dir, 'banmesh.yaml')
        const { status, stderr } = spawnSync(process.execPath, [MAIN, '--config', config, 'run'], {
          encoding: 'utf8',
          timeout: 30_000
        })
        return { status, stderr }
      }
      await alice.start()
      await alice.ban(FIRST)
      await alice.stop()
      const good = readFileSync(ledger)

      writeFileSync(ledger, good.subarray(0, 100))
      assert.deepEqual(run().status, 1)
      assert.match(run().stderr, /is damaged, or not a ledger\nbanmesh: hint: move it away/)

      const newer = Buffer.from(good)
      // user_version: https://www.sqlite.org/fileformat.html#user_version_number
      newer.writeUInt32BE(999, 60)
      writeFileSync(ledger, newer)
      assert.match(run().stderr, /is of a newer banmesh\nbanmesh: hint: update banmesh/)

      writeFileSync(ledger, good)
      execFileSync('mount', ['-o', 'remount,ro', disk])
      assert.match(run().stderr, /can't be written\nbanmesh: hint:/)
      execFileSync('mount', ['-o', 'remount,rw', disk])

      await alice.start()
      assert.equal((await alice.why(FIRST)).accepted, true)
    })
)
