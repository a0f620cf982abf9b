/** For the CLI, which does not import fail2ban/: the firewall, and the jails whose bans should be in it. */
export { enforced, readFirewall } from '../fail2ban/enforcement.ts'
export { meshJails } from './handoffs.ts'
