/** The threat model names a test for every claim; here they are looked for. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const CHECKOUT = join(import.meta.dirname, '../..')
const text = readFileSync(join(CHECKOUT, '.github/SECURITY.md'), 'utf8')
const named = [...text.matchAll(/`(test\/[^`]+\.test\.ts)`: "([^"]+)"/g)].map(([, file, name]) => ({
  file: file!,
  name: name!
}))

test('every test that the threat model names exists', () => {
  assert.ok(named.length >= 30, `${named.length} tests are named`)
  for (const { file, name } of named) {
    assert.ok(existsSync(join(CHECKOUT, file)), file)
    assert.ok(namesOf(join(CHECKOUT, file)).includes(name), `${file}: ${name}`)
  }
})

test('every claim of the threat model names a test', () => {
  const rows = text.split('\n').filter((line) => line.startsWith('| ') && !/^\| (Cannot|---)/.test(line))
  assert.ok(rows.length >= 30)
  for (const row of rows) assert.match(row, /`test\/[^`]+\.test\.ts`: "/, row)
})

test('the README leads to the threat model', () => {
  assert.match(readFileSync(join(CHECKOUT, 'README.md'), 'utf8'), /\.github\/SECURITY\.md/)
})

test('each of the 35 bugs of other programs has its test', () => {
  const names = globSync('test/peers/*.test.ts', { cwd: CHECKOUT }).flatMap((file) => namesOf(join(CHECKOUT, file)))
  const numbers = names.map((name) => Number(/^bug (\d+): /.exec(name)?.[1])).sort((a, b) => a - b)
  assert.deepEqual(
    numbers,
    Array.from({ length: 35 }, (_, i) => i + 1)
  )
})

function namesOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/\btest\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g)].map(([, , name]) =>
    name!.replaceAll(/\\(.)/g, '$1')
  )
}
