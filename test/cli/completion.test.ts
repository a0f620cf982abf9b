import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bashCompletion, fishCompletion, zshCompletion } from '../../src/cli/completion.ts'
import { manualPage } from '../../src/cli/manual.ts'
import { describeProgram } from '../../src/cli/syntax.ts'
import { NEEDS_RESTART } from '../../src/daemon/needs-restart.ts'
import { requires } from '../support/requirements.ts'
import { createShell } from './shell.ts'

/** What is typed up to the cursor, and what has to be among the answers. */
const EXAMPLES = [
  ['', ['init', 'friend', 'doctor', 'watch', '--config']],
  ['friend ', ['add', 'list', 'remove', 'trust', 'pause', 'resume']],
  ['--config x.yaml friend ', ['add', 'resume']],
  ['friend add ', ['--name', '--trust', '--observe', '--json']],
  ['export --format ', ['plain', 'json', 'csv', 'nft', 'ipset', 'hosts.deny']],
  ['import ', ['fail2ban-p2p', 'banlist']],
  ['completion ', ['bash', 'zsh', 'fish']]
] as const

function wordsOf(line: string): string[] {
  return ['banmesh', ...line.split(' ')]
}

test('bash completes commands, options and their values', async () => {
  const script = bashCompletion(await describeProgram())
  const complete = (line: string): string[] => {
    const words = wordsOf(line)
    const ask = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _banmesh; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', ask, 'bash', ...words], { encoding: 'utf8' })
      .trim()
      .split('\n')
  }
  for (const [line, expected] of EXAMPLES) {
    const answers = complete(line)
    for (const word of expected) assert.ok(answers.includes(word), `${line}: ${word} among ${answers.join(' ')}`)
  }
  assert.deepEqual(complete('fr'), ['friend'])
  assert.deepEqual(complete('friend re'), ['remove', 'resume'])
  assert.deepEqual(complete('ban --jail '), [''], 'a value that only the operator knows')
  assert.deepEqual(complete('export --format n'), ['nft'])
})

test('zsh gets the same answers', { skip: requires({ commands: ['zsh'] }) }, async () => {
  const script = zshCompletion(await describeProgram()).replace(/_banmesh "\$@"\n$/, '')
  for (const [line, expected] of EXAMPLES) {
    const words = wordsOf(line)
    const ask = `${script}\n_banmesh_words "$@"`
    const args = [words.at(-2)!, String(words.length - 1), ...words.slice(1)]
    const answers = execFileSync('zsh', ['-fc', ask, 'zsh', ...args], { encoding: 'utf8' })
      .trim()
      .split(' ')
    for (const word of expected) assert.ok(answers.includes(word), `${line}: ${word} among ${answers.join(' ')}`)
  }
})

test('fish gets the same answers', { skip: requires({ commands: ['fish'] }) }, async (t) => {
  const { folder } = createShell(t)
  const file = join(folder, 'banmesh.fish')
  writeFileSync(file, fishCompletion(await describeProgram()))
  for (const [line, expected] of EXAMPLES) {
    const ask = (typed: string): string[] =>
      execFileSync('fish', ['-N', '-c', `source ${file}; complete -C "banmesh ${typed}"`], {
        encoding: 'utf8',
        env: { ...process.env, HOME: folder }
      })
        .split('\n')
        .map((answer) => answer.split('\t')[0]!)
    // Options are offered once a dash is typed.
    const answers = [...ask(line), ...ask(`${line}-`)]
    for (const word of expected) assert.ok(answers.includes(word), `${line}: ${word} among ${answers.join(' ')}`)
  }
})

test('every command and every option is in all of them, and in the manual', async () => {
  const syntax = await describeProgram()
  const texts = [bashCompletion(syntax), zshCompletion(syntax), fishCompletion(syntax), manualPage(syntax)]
  for (const { path, options } of syntax.commands) {
    for (const word of [...path.split(' '), ...options.map(({ long }) => long.replace(/^--/, ''))]) {
      for (const text of texts) assert.ok(text.replaceAll('\\-', '-').includes(word), `${path}: ${word}`)
    }
  }
})

test(
  'the manual is clean for man, and names what waits for a restart',
  { skip: requires({ commands: ['man', 'groff'] }) },
  async (t) => {
    const shell = createShell(t)
    const { exit, stdout } = await shell.banmesh('manual')
    assert.equal(exit, 0)
    shell.write('banmesh.1', stdout)
    const warnings = execFileSync('groff', ['-man', '-Tutf8', '-ww', join(shell.folder, 'banmesh.1')], {
      stdio: ['ignore', 'pipe', 'pipe']
    })
    assert.ok(warnings.length > 1000)
    const page = execFileSync('man', ['--warnings', '-l', join(shell.folder, 'banmesh.1')], {
      encoding: 'utf8',
      env: { ...process.env, MANWIDTH: '400', LC_ALL: 'C.UTF-8' }
    })
    for (const key of NEEDS_RESTART) assert.ok(page.includes(key), key)
    assert.match(page, /^ {7}friend add peer\n {14}add a friend; both sides have to add each other\.$/m)
  }
)

test('banmesh completion and manual print what install writes', async (t) => {
  const shell = createShell(t)
  await shell.banmesh('install', '--root', 'root')
  for (const [words, path] of [
    [['completion', 'bash'], 'etc/bash_completion.d/banmesh'],
    [['completion', 'zsh'], 'usr/local/share/zsh/site-functions/_banmesh'],
    [['completion', 'fish'], 'etc/fish/completions/banmesh.fish'],
    [['manual'], 'usr/local/share/man/man1/banmesh.1']
  ] as const) {
    const { exit, stdout } = await shell.banmesh(...words)
    assert.deepEqual([exit, stdout], [0, shell.read(join('root', path))], path)
  }
  assert.equal((await shell.banmesh('completion', 'csh')).exit, 2)
})
