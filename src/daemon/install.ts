/** For the CLI, which does not import fail2ban/: the shipped files, and writing them. */
export { installFiles, writeInstallFiles, type InstallOptions } from '../fail2ban/install.ts'
