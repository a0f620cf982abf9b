import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger, type LogOutput } from '../../src/daemon/logging.ts'

function output(isTTY: boolean): LogOutput & { readonly lines: string[] } {
  const lines: string[] = []
  return { isTTY, lines, write: (text) => lines.push(text) }
}

test('the log is a JSON document a line, with the time in ISO 8601 and errors with their stack', () => {
  const out = output(false)
  const logger = createLogger('info', out)
  logger.info({ name: 'alice' }, 'friend connected')
  logger.error({ error: new Error('no') }, 'failed')
  logger.debug('not this')
  const [first, second, ...more] = out.lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(Object.keys(first!), ['level', 'time', 'name', 'msg'])
  assert.match(String(first!['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.partialDeepStrictEqual(second, { level: 50, msg: 'failed', error: { type: 'Error', message: 'no' } })
  assert.deepEqual(more, [])
})

test('on a terminal it is for people: the time there, the level, details, and nothing that moves the cursor', () => {
  const out = output(true)
  const logger = createLogger('info', out)
  logger.info({ name: 'alice', count: 2, list: ['a'] }, 'friend connected')
  logger.warn({ name: 'x\u001b[2J\u202ey' }, 'odd\u0007')
  logger.fatal('gone')
  assert.deepEqual(
    out.lines.map((line) => line.replace(/\d\d:\d\d:\d\d /, '')),
    [
      ' info   friend connected name=alice count=2 list=["a"]\n',
      '\u001b[33m WARN   odd? name="x\\u001b[2J?y"\u001b[0m\n',
      '\u001b[31m FATAL  gone\u001b[0m\n'
    ]
  )
})
