/** `npm run build`: what is published, in dist/: JavaScript by tsc, and beside it the files that the program reads or serves. */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, rmSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
for (const project of ['src/tsconfig.json', 'src/web/page']) execFileSync('tsc', ['-p', project], { stdio: 'inherit' })
for (const folder of ['src/fail2ban/files', 'src/web/files', 'src/web/page']) {
  cpSync(folder, `dist/${folder}`, { recursive: true, filter: (path) => !/\.ts$|tsconfig/.test(path) })
}
chmodSync('dist/bin/banmesh.js', 0o755)
