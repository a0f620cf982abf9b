/** `demo`: a mesh of four nodes on this machine, for a first look. */
import type { Context } from '../context.ts'
import type { DemoOptions } from '../demo.ts'
import { failed, done, type Outcome } from '../outcome.ts'

export async function demo(
  { banmesh, say }: Context,
  options: Pick<DemoOptions, 'keep' | 'fail2ban'>
): Promise<Outcome> {
  const { runDemo } = await import('../demo.ts')
  const exit = await runDemo({ ...options, banmesh, print: say })
  return exit === 0 ? done({ ok: true }, '') : failed(1, 'demo-failed', 'the demo did not go as it should')
}
