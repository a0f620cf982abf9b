/** What a test needs of the machine. Missing: it is skipped and says why, but in CI that is a failure. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface Requirements {
  readonly root?: boolean
  /** Names of programs, also looked for in the folders of root's programs. */
  readonly commands?: readonly string[]
  /** Modules of the system's own Python, which fail2ban runs on. */
  readonly python?: readonly string[]
}

/** For the `skip` option of a node:test test: false if all is there, else the reason. Throws instead if `CI` is `true`. */
export function requires({ root = false, commands = [], python = [] }: Requirements): string | false {
  const absent = [
    ...commands.filter((command) => !isProgram(command)),
    ...python.filter((module) => !isPythonModule(module)).map((module) => `Python's ${module}`)
  ]
  const reasons = [
    ...(root && process.getuid?.() !== 0 ? ['it must run as root'] : []),
    ...(absent.length > 0 ? [`not installed: ${absent.join(', ')}`] : [])
  ]
  if (reasons.length === 0) return false
  if (process.env['CI'] === 'true') throw new Error(`a test can't run here, and in CI it has to: ${reasons.join('; ')}`)
  return reasons.join('; ')
}

function isProgram(command: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function isPythonModule(module: string): boolean {
  return spawnSync('/usr/bin/python3', ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0
}
