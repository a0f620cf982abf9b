import { equal, match, throws } from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { requires } from './requirements.ts'

function withCi(t: TestContext, value: string): void {
  const before = process.env['CI']
  process.env['CI'] = value
  t.after(() => {
    if (before === undefined) delete process.env['CI']
    else process.env['CI'] = before
  })
}

test('What is there lets a test run, and what is not is named.', (t) => {
  withCi(t, '')
  equal(requires({}), false)
  equal(requires({ commands: ['sh'] }), false)
  match(
    String(requires({ commands: ['sh', 'no-such-program', 'nor-this'] })),
    /^not installed: no-such-program, nor-this$/
  )
  match(String(requires({ python: ['no_such_module'] })), /no_such_module/)
})

test('In CI a test that can not run fails.', (t) => {
  withCi(t, 'true')
  equal(requires({ commands: ['sh'] }), false)
  throws(() => requires({ commands: ['no-such-program'] }), /no-such-program/)
})
