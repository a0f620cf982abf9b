/** `id` and `invite`: who this node is and where, for a friend to add. Both work without the daemon. */
import type { Identity } from '../../control/api.ts'
import { ask, readConfig, type Context, type Reply } from '../context.ts'
import { done, failed, type Outcome } from '../outcome.ts'

export async function id(context: Context): Promise<Outcome> {
  const whoami = await identity(context)
  if (!whoami.ok) return whoami
  return done(whoami.value, [whoami.value.peerId, ...whoami.value.addresses].join('\n'))
}

export async function invite(context: Context): Promise<Outcome> {
  const whoami = await identity(context)
  if (!whoami.ok) return whoami
  const { peerId, network, addresses } = whoami.value
  const { formatInvite } = await import('../../daemon/invite.ts')
  const line = formatInvite({ network, id: peerId, addresses })
  return done({ invite: line, peerId, addresses, network }, line)
}

/** From the daemon, which knows where it really listens; else from the config and the key. */
async function identity(context: Context): Promise<Reply<Identity>> {
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
