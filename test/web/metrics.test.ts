/** The metrics of a real node, and the shipped dashboard and alerts that are made of them. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parse } from 'yaml'
import { createMesh, type MeshHandle } from '../support/nodes.ts'
import { until } from '../support/until.ts'

const FILES = join(import.meta.dirname, '../../src/web/files')

let mesh: MeshHandle
const ORIGIN = new Map<string, string>()

before(async () => {
  mesh = createMesh({
    friends: { alice: ['bob'], bob: ['alice', 'carol'], carol: ['bob'] },
    config: () => ({ web: { listen: '127.0.0.1:0' } })
  })
  await mesh.start()
  await mesh.connected()
  for (const node of mesh.nodes) ORIGIN.set(node.name, (await node.status()).web!.url)
})
after(() => mesh.dispose())

async function scrape(name: string): Promise<string> {
  const response = await fetch(`${ORIGIN.get(name)}metrics`)
  assert.equal(response.status, 200)
  return response.text()
}

/** Values by name and labels, as they stand in the text. */
function samples(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

test('a ban that came over two friends is counted on its way', async () => {
  await mesh.node('alice').ban('203.0.113.7')
  await mesh.node('bob').ban('203.0.113.8')
  await until(async () => (await mesh.node('carol').verdicts()).length === 2, 'both bans at carol')
  const wanted: Record<string, number> = {
    'banmesh_verdicts{state="accepted"}': 1,
    'banmesh_verdicts{state="held"}': 1,
    'banmesh_friend_up{friend="bob"}': 1,
    'banmesh_friend_trust_ratio{friend="bob"}': 0.8,
    'banmesh_friend_live_claims{friend="bob"}': 2,
    'banmesh_reports_received_total{friend="bob",outcome="accepted"}': 2,
    'banmesh_verdict_changes_total{change="banned"}': 1,
    'banmesh_verdict_changes_total{change="held"}': 1,
    banmesh_report_hops_count: 2,
    banmesh_report_hops_sum: 3,
    'banmesh_report_hops_bucket{le="1"}': 1,
    banmesh_report_delay_seconds_count: 2,
    'banmesh_handoff_changes_total{target="log",action="ban"}': 1,
    'banmesh_handoff_delay_seconds_count{target="log"}': 1,
    'banmesh_handoff_pending{target="log"}': 0,
    banmesh_ledger_reports: 2,
    banmesh_ledger_claims: 2,
    'banmesh_alarms_total{reason="own-address"}': 0,
    banmesh_dashboard_readers: 0
  }
  let got: Record<string, number | undefined> = {}
  await until(async () => {
    const all = samples(await scrape('carol'))
    got = Object.fromEntries(Object.keys(wanted).map((name) => [name, all.get(name)]))
    return JSON.stringify(got) === JSON.stringify(wanted)
  }, 'carol to have counted all').catch(() => undefined)
  assert.deepEqual(got, wanted)
  const delay = samples(await scrape('carol')).get('banmesh_report_delay_seconds_sum')!
  assert.ok(delay > 0 && delay < 30, String(delay))
})

test('a friend that goes is down', async () => {
  await mesh.node('alice').stop()
  await until(async () => (await scrape('bob')).includes('banmesh_friend_up{friend="alice"} 0'), 'alice to be down')
})

test('names and labels keep to the rules of Prometheus', async () => {
  const text = await scrape('bob')
  const isOurs = (name: string): boolean => name.startsWith('banmesh_')
  for (const line of text.split('\n')) assert.ok(line === '' || line.startsWith('# ') || isOurs(line), line)
  // libp2p's and Node's are among them.
  assert.match(text, /^banmesh_libp2p_data_transfer_bytes_total\{protocol="\/meshsub/m)
  assert.match(text, /^banmesh_process_cpu_seconds_total \d/m)
  const families = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => ({ name: name!, type: type! }))
  assert.ok(families.every(({ name }) => isOurs(name)))
  assert.equal(new Set(families.map(({ name }) => name)).size, families.length)
  const ours = families.filter(({ name }) => !/^banmesh_(?:libp2p|nodejs|process)_/.test(name))
  assert.ok(ours.length >= 25)
  for (const { name, type } of ours) {
    assert.match(name, /^banmesh_[a-z][a-z_]*$/)
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    assert.doesNotMatch(name, /_(ms|milliseconds|percent|minutes)(_|$)/, name)
    if (type === 'histogram') assert.match(name, /_(seconds|hops)$/, name)
  }
  const friends = new Set([...text.matchAll(/friend="([^"]*)"/g)].map(([, name]) => name))
  assert.deepEqual(friends, new Set(['alice', 'carol']))
  assert.doesNotMatch(text, /203\.0\.113\./)
})

/** The metrics that an expression of PromQL names. */
function metricsIn(expression: string): string[] {
  const withoutLabels = expression.replace(/\{[^}]*\}/g, '').replace(/(?:by|on|without)\s*\([^)]*\)/g, '')
  return [...withoutLabels.matchAll(/\b(?:banmesh|process|nodejs|libp2p)_\w+/g)].map(([name]) => name)
}

/** The labels that it selects, groups or matches by. */
function labelsIn(expression: string): string[] {
  const grouped = [...expression.matchAll(/(?:by|on|without)\s*\(([^)]*)\)/g)].flatMap(([, list]) => list!.split(','))
  const selected = [...expression.matchAll(/[{,]\s*(\w+)\s*=~?/g)].map(([, label]) => label!)
  return [...grouped, ...selected].map((label) => label.trim())
}

async function checkExpressions(expressions: readonly string[]): Promise<void> {
  const text = await scrape('bob')
  const known = new Set([...samples(text).keys()].map((key) => key.replace(/\{.*/, '')))
  // Without a value yet, a counter with labels has no sample; its family is there.
  for (const [, name] of text.matchAll(/^# TYPE (\S+) (?:counter|gauge)$/gm)) known.add(name!)
  for (const [, name] of text.matchAll(/^# TYPE (\S+) histogram$/gm)) known.add(`${name}_bucket`)
  const labels = new Set([...text.matchAll(/(\w+)="/g)].map(([, label]) => label))
  for (const fromPrometheus of ['instance', 'job']) labels.add(fromPrometheus)
  // A node that has refused nothing has no such label yet.
  for (const later of ['reason', 'target', 'outcome', 'action', 'limit', 'le']) labels.add(later)
  for (const expression of expressions) {
    const names = metricsIn(expression)
    for (const name of names) assert.ok(known.has(name), `${name} in ${expression}`)
    if (names.length === 0) assert.match(expression, /^up\{/)
    for (const label of labelsIn(expression)) assert.ok(labels.has(label), `${label} in ${expression}`)
  }
}

test('every alert is made of metrics that a node has', async () => {
  const { groups } = parse(readFileSync(join(FILES, 'alerts.yaml'), 'utf8')) as {
    groups: {
      rules: { alert: string; expr: string; labels: { severity: string }; annotations: { summary: string } }[]
    }[]
  }
  const rules = groups.flatMap((group) => group.rules)
  assert.ok(rules.length >= 8)
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  for (const { alert, labels, annotations } of rules) {
    assert.match(labels.severity, /^(info|warning|critical)$/, alert)
    assert.ok(annotations.summary.length > 0, alert)
  }
  await checkExpressions(rules.map(({ expr }) => expr))
})

test('every panel of the Grafana dashboard is made of metrics that a node has', async () => {
  const dashboard = JSON.parse(readFileSync(join(FILES, 'grafana-dashboard.json'), 'utf8')) as {
    panels: { id: number; title: string; targets: { expr: string }[] }[]
    templating: { list: { query: string | { query: string } }[] }
  }
  const { panels } = dashboard
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  const variables = dashboard.templating.list.flatMap(({ query }) => (typeof query === 'string' ? [] : [query.query]))
  assert.deepEqual(variables.flatMap(metricsIn), ['banmesh_build_info'])
  await checkExpressions(panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)))
})
