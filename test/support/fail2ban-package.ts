/**
 * Which fail2ban the tests run: the machine's own, or an unpacked package that `BANMESH_FAIL2BAN` names the folder of
 * (.ci/unpack-fail2ban gets Debian trixie's). To be imported before anything looks for fail2ban's programs.
 */
import { delimiter, join } from 'node:path'

const unpacked = process.env['BANMESH_FAIL2BAN']

/** The folder of fail2ban's stock configuration. */
export const STOCK = join(unpacked ?? '/', 'etc/fail2ban')

if (unpacked !== undefined) {
  process.env['PATH'] = [join(unpacked, 'usr/bin'), process.env['PATH']].join(delimiter)
  process.env['PYTHONPATH'] = join(unpacked, 'usr/lib/python3/dist-packages')
}
