/** `init`: a folder with a commented config and a key, ready for `run`. */
import { existsSync, unlinkSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import type { Context } from '../context.ts'
import { quoted } from '../doctor/check.ts'
import { done, failed, type Outcome } from '../outcome.ts'

export async function init(context: Context, { dir = '.' }: { dir?: string }): Promise<Outcome> {
  const folder = resolve(context.cwd, dir)
  const config = join(folder, 'banmesh.yaml')
  const key = join(folder, 'identity.key')
  for (const file of [config, key]) {
    if (existsSync(file))
      return failed(1, 'exists', `${file} exists already and is not overwritten`, 'choose another folder: --dir DIR')
  }
  const [{ configTemplate }, { createIdentity, explainIdentityRefusal }, { createFile, inFolder }] = await Promise.all([
    import('../../daemon/config-template.ts'),
    import('../../daemon/identity.ts'),
    import('../../daemon/owner.ts')
  ])
  let identity: ReturnType<typeof createIdentity>
  try {
    identity = inFolder(folder, { make: true }, ({ path, owner }) => {
      const created = createIdentity(join(path, 'identity.key'), owner)
      try {
        if (created.ok) createFile(join(path, 'banmesh.yaml'), configTemplate(), 0o666, owner)
      } catch (error) {
        unlinkSync(join(path, 'identity.key'))
        throw error
      }
      return created
    })
  } catch (error) {
    return notWritable(folder, error)
  }
  if (!identity.ok) {
    const { message, hint } = explainIdentityRefusal(key, identity.reason)
    return failed(1, identity.reason, message, hint)
  }
  const { peerId } = identity.value
  const here = relative(context.cwd, config)
  const option = here === 'banmesh.yaml' ? '' : ` --config ${quoted(here.startsWith('..') ? config : here)}`
  const text = [
    `wrote ${config}`,
    `wrote ${key} (keep it secret: it is this node)`,
    `peer ID: ${peerId}`,
    '',
    'next: give a friend the line that this prints, and add the line that the friend gives you',
    `  banmesh${option} invite`,
    `  banmesh${option} friend add INVITE --name alice`,
    `  banmesh${option} run`
  ]
  return done({ peerId, config, identity: key }, text.join('\n'))
}

function notWritable(path: string, error: unknown): Outcome {
  return failed(
    1,
    'not-writable',
    `${path} can't be written (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`
  )
}
