/**
 * `id` and `invite`: who this node is and where, for a friend to add; both work without the daemon. `id rotate`, `export`,
 * `import` and `network-key` are in identity.ts.
 */
import type { Identity } from '../../control/api.ts'
import { ask, readConfig, type Context, type Reply } from '../context.ts'
import { done, failed, type Outcome } from '../outcome.ts'

/** Light modules around a QR code, so that scanners find its edge. */
const QR_BORDER = 2

export async function id(context: Context): Promise<Outcome> {
  const whoami = await identity(context)
  if (!whoami.ok) return whoami
  const { peerId, addresses, fingerprint } = whoami.value
  return done(whoami.value, [peerId, ...addresses, `fingerprint: ${fingerprint}`].join('\n'))
}

/**
 * On a terminal with a QR code and the fingerprint; elsewhere the line alone, for scripts, and the fingerprint on stderr.
 * `qr` asks for the code anywhere.
 */
export async function invite(context: Context, { qr = false }: { qr?: boolean } = {}): Promise<Outcome> {
  const whoami = await identity(context)
  if (!whoami.ok) return whoami
  const { peerId, network, addresses, fingerprint } = whoami.value
  const { formatInvite } = await import('../../daemon/invite.ts')
  const line = formatInvite({ network, id: peerId, addresses })
  const json = { invite: line, peerId, addresses, network, fingerprint }
  const compare = `fingerprint: ${fingerprint}`
  if (!qr && context.columns === null) return done(json, line, { notes: [compare] })
  const { renderUnicodeCompact } = await import('uqr')
  const code = renderUnicodeCompact(line, { border: QR_BORDER })
  const width = code.indexOf('\n')
  const fits = qr || context.columns === null || width <= context.columns
  return done(json, [line, ...(fits ? ['', code] : []), '', compare].join('\n'))
}

/** From the daemon, which knows where it really listens; else from the config and the key. */
async function identity(context: Context): Promise<Reply<Identity & { fingerprint: string }>> {
  const found = await whoAmI(context)
  if (!found.ok) return found
  const { fingerprint } = await import('../../daemon/fingerprint.ts')
  return { ok: true, value: { ...found.value, fingerprint: fingerprint(found.value.peerId) } }
}

async function whoAmI(context: Context): Promise<Reply<Identity>> {
  const answer = await ask<Identity>(context, { method: 'GET', path: '/v1/id' })
  if (answer.ok || answer.exit !== 3) return answer
  const read = await readConfig(context)
  if (!read.ok) return read
  const { config } = read.value
  const { explainIdentityRefusal, identityFile, loadIdentity } = await import('../../daemon/identity.ts')
  const file = identityFile(config.dataDir)
  const loaded = loadIdentity(file)
  if (!loaded.ok) {
    const { message, hint } = explainIdentityRefusal(file, loaded.reason)
    return failed(2, loaded.reason, message, hint)
  }
  const { configuredAddresses } = await import('../../daemon/own-addresses.ts')
  const { peerId } = loaded.value
  const addresses = configuredAddresses(config).map((address) => `${address}/p2p/${peerId}`)
  return { ok: true, value: { peerId, addresses, network: config.network } }
}
