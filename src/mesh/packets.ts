/**
 * One packet for what is said at once. noise hands a frame over as its length and its text, and libp2p's TCP (11) writes
 * each by itself: two packets and two calls of the kernel for a ban, whose receiver is woken for a length of two bytes.
 */
import type { MessageStream, Upgrader } from '@libp2p/interface'

/** For TCP's connections, ours and those that come. */
export function inOnePacket(upgrader: Upgrader): Upgrader {
  const changed: Pick<Upgrader, 'upgradeInbound' | 'upgradeOutbound'> = {
    upgradeInbound: (connection, options) => upgrader.upgradeInbound(joined(connection), options as never),
    upgradeOutbound: (connection, options) => upgrader.upgradeOutbound(joined(connection), options as never)
  }
  return Object.assign(Object.create(upgrader) as Upgrader, changed)
}

function joined<Raw extends MessageStream>(connection: Raw): Raw {
  const send = connection.send.bind(connection)
  connection.send = (data) => send(data.subarray())
  return connection
}
