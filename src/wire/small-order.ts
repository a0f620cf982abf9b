/**
 * The eight points of small order of Ed25519's curve. With one of them as a "public key" anyone can make signatures
 * that fit, without any private key; with one as the signature's R, libraries disagree about the signature: Node 20
 * takes both, Node 24.21 neither. banmesh refuses both itself, so that all nodes agree whatever they run on.
 */

/** Their y coordinates, little endian. The top bit of the 32 bytes says which x belongs to it. */
const SMALL_ORDER_Y = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'
])

/** Of a point in its canonical encoding of 32 bytes. */
export function isOfSmallOrder(point: Uint8Array): boolean {
  const y = Buffer.from(point)
  y[31]! &= 0x7f
  return SMALL_ORDER_Y.has(y.toString('hex'))
}
