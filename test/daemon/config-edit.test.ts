import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import {
  addAllowed,
  addFriend,
  changeFriend,
  findFriends,
  listAllowed,
  removeAllowed,
  removeFriend
} from '../../src/daemon/config-edit.ts'
import { configTemplate } from '../../src/daemon/config-template.ts'

const ALICE = { id: 'A', name: 'alice', trust: 80, addresses: [] }

const FILE = `# top
network: default                 # nodes

friends:                         # people
  # the best
  - id: A
    name: alice     # she
    trust: 80       # percent
    addresses:
      - /ip4/192.0.2.1/tcp/1     # home
      # not at work

  # the second
  - { id: B, trust: 50 }   # in a row
  # no more friends
# discovery follows
discovery: { dht: true,   bootstrap: [] }
allowlist: [ 192.0.2.0/24,
             office.example.net ]   # ours
`

test('a friend is added after the last one, and nothing else changes', () => {
  assert.equal(
    addFriend(FILE, { id: 'C', trust: 33.3, addresses: ['/ip4/192.0.2.3/tcp/1'], observe: true }),
    FILE.replace(
      '# in a row\n',
      `# in a row
  - id: C
    trust: 33.3
    addresses:
      - /ip4/192.0.2.3/tcp/1
    observe: true
`
    )
  )
})

test('a friend is changed in its place', () => {
  assert.equal(changeFriend(FILE, 0, 'trust', 5), FILE.replace('trust: 80 ', 'trust: 5 '))
  assert.equal(changeFriend(FILE, 0, 'paused', true), FILE.replace('- id: A\n', '- id: A\n    paused: true\n'))
  assert.equal(changeFriend(FILE, 1, 'trust', 5), FILE.replace('trust: 50', 'trust: 5'))
  assert.equal(changeFriend(FILE, 1, 'observe', true), FILE.replace('{ id: B,', '{ id: B, observe: true,'))
})

test('a friend is removed with its own lines only', () => {
  assert.equal(removeFriend(FILE, 1), FILE.replace('  - { id: B, trust: 50 }   # in a row\n', ''))
  const without = removeFriend(FILE, 0)
  assert.deepEqual(parse(without), { ...parse(FILE), friends: [{ id: 'B', trust: 50 }] })
  for (const comment of ['# people', '# the best', '# the second', '# in a row'])
    assert.ok(without.includes(comment), comment)
})

test('the allowlist is edited alike', () => {
  assert.equal(
    addAllowed(FILE, '2001:db8::/32'),
    FILE.replace('office.example.net ]', 'office.example.net, "2001:db8::/32" ]')
  )
  assert.equal(removeAllowed(FILE, 0), FILE.replace('192.0.2.0/24,\n             ', ''))
  assert.equal(removeAllowed(FILE, 1), FILE.replace(',\n             office.example.net', ''))
  assert.deepEqual(listAllowed(FILE), ['192.0.2.0/24', 'office.example.net'])
})

test('the first friend may be written into any kind of empty list', () => {
  const item = '  - id: A\n    name: alice\n    trust: 80\n    addresses: []\n'
  for (const [before, after] of [
    ['', `friends:\n${item}`],
    ['# nothing but this\n', `# nothing but this\nfriends:\n${item}`],
    ['network: x', `network: x\nfriends:\n${item}`],
    ['friends: []\nweb: false\n', `friends:\n${item}web: false\n`],
    ['friends: []   # none yet\n', `friends:   # none yet\n${item}`],
    ['friends:\nweb: false\n', `friends:\n${item}web: false\n`],
    ['friends:\n# - id: X\nweb: false\n', `friends:\n${item}# - id: X\nweb: false\n`],
    ['friends: null', `friends:\n${item}`],
    ['friends: ~ # none\n', `friends: # none\n${item}`],
    ['friends:\r\nweb: false\r\n', `friends:\r\n${item.replaceAll('\n', '\r\n')}web: false\r\n`]
  ] as const) {
    assert.equal(addFriend(before, ALICE), after, JSON.stringify(before))
  }
})

test('a list whose dashes are not indented stays so', () => {
  assert.equal(
    addFriend('friends:\n- id: B\nweb: false\n', ALICE),
    'friends:\n- id: B\n- id: A\n  name: alice\n  trust: 80\n  addresses: []\nweb: false\n'
  )
})

test('the last friend leaves an empty list, and its comments', () => {
  assert.equal(
    removeFriend('friends:   # people\n  # she\n  - id: A\n    trust: 1\nweb: false\n', 0),
    'friends: []   # people\n  # she\nweb: false\n'
  )
})

test('JSON stays JSON', () => {
  const text = JSON.stringify({ network: 'x', friends: [{ id: 'B' }], web: false }, null, 2)
  const added = addFriend(text, ALICE)
  assert.deepEqual(JSON.parse(added), { network: 'x', friends: [{ id: 'B' }, ALICE], web: false })
  assert.deepEqual(JSON.parse(changeFriend(added, 0, 'paused', true)).friends[0], { id: 'B', paused: true })
  assert.deepEqual(JSON.parse(removeFriend(added, 0)).friends, [ALICE])
  assert.deepEqual(JSON.parse(removeFriend(text, 0)).friends, [])
  assert.deepEqual(JSON.parse(addFriend('{"friends": []}', ALICE)), { friends: [ALICE] })
})

test('a layout in which no place is found is written anew, with its comments', () => {
  const text = '# mine\nnetwork: x # net\n? friends\n:\n  - ? id\n    : A\n    # in A\n'
  const edited = changeFriend(text, 0, 'trust', 5)
  assert.deepEqual(parse(edited), { network: 'x', friends: [{ id: 'A', trust: 5 }] })
  for (const comment of ['# mine', '# net', '# in A']) assert.ok(edited.includes(comment), comment)
  assert.deepEqual(parse(addFriend('{ network: x }', ALICE)), { network: 'x', friends: [ALICE] })
})

test('friends are found by ID, by name, and by what stands for a missing name; broken entries too', () => {
  const text =
    'friends: [{ id: 12D3KooWabcdefgh, trust: 900 }, { id: B, name: bob }, { id: C, name: bob }, text, { name: 5 }]'
  for (const [who, indexes] of [
    ['12D3KooWabcdefgh', [0]],
    ['abcdefgh', [0]],
    ['B', [1]],
    ['bob', [1, 2]],
    ['nobody', []]
  ] as const) {
    assert.deepEqual(findFriends(text, who), indexes, who)
  }
  assert.deepEqual(findFriends('friends: text', 'text'), [])
  assert.deepEqual(findFriends('', 'x'), [])
})

test('any sequence of edits of what init wrote does what it says and keeps every line of the rest', () => {
  const edit = fc.oneof(
    fc.record({ add: fc.constantFrom('A', 'B', 'C', 'it: # is') }),
    fc.record({ remove: fc.nat(3) }),
    fc.record({ index: fc.nat(3), trust: fc.integer({ min: 0, max: 100 }) }),
    fc.record({ index: fc.nat(3), paused: fc.boolean() }),
    fc.record({ allow: fc.constantFrom('192.0.2.1', '::/0', 'x.example') }),
    fc.record({ forbid: fc.nat(2) })
  )
  const rest = configTemplate()
    .split('\n')
    .filter((line) => !/^(friends|allowlist):/.test(line))
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 12 }), (edits) => {
      let text = configTemplate()
      const friends: Record<string, unknown>[] = []
      const allowed: string[] = []
      for (const step of edits) {
        if ('add' in step) {
          text = addFriend(text, { id: step.add, trust: 1, addresses: ['/x'] })
          friends.push({ id: step.add, trust: 1, addresses: ['/x'] })
        } else if ('remove' in step && step.remove < friends.length) {
          text = removeFriend(text, step.remove)
          friends.splice(step.remove, 1)
        } else if ('trust' in step && step.index < friends.length) {
          text = changeFriend(text, step.index, 'trust', step.trust)
          friends[step.index]!['trust'] = step.trust
        } else if ('paused' in step && step.index < friends.length) {
          text = changeFriend(text, step.index, 'paused', step.paused)
          friends[step.index]!['paused'] = step.paused
        } else if ('allow' in step) {
          text = addAllowed(text, step.allow)
          allowed.push(step.allow)
        } else if ('forbid' in step && step.forbid < allowed.length) {
          text = removeAllowed(text, step.forbid)
          allowed.splice(step.forbid, 1)
        }
      }
      assert.deepEqual(parse(text), { ...parse(configTemplate()), friends, allowlist: allowed })
      const lines = text.split('\n')
      assert.deepEqual(
        rest.filter((line) => !lines.includes(line)),
        []
      )
    }),
    { numRuns: 100 }
  )
})
