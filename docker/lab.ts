/**
 * `npm run lab`: builds and starts the lab of compose.yaml, plays the whole story and fails if any of it does not happen.
 * Whatever becomes of it, nothing is left afterwards but the images; with `--keep` the lab stays up.
 */
import { setMaxListeners } from 'node:events'
import { parseArgs } from 'node:util'
import { createCompose, type Compose } from './lab/compose.ts'
import { createPlaces } from './lab/places.ts'
import { playStory } from './lab/story.ts'
import { createTimetable, type Timetable } from './lab/timetable.ts'

const USAGE = `npm run lab [-- --keep]

Plays the story of docker/README.md with real servers in containers. Needs docker with compose 2.
An earlier lab is taken down first, with its keys.

  --keep   leave the lab up and say where its dashboards are
`
const BUILD_TIMEOUT_MS = 15 * 60_000
/** Some ten seconds where nothing else goes on. */
const UP_TIMEOUT_MS = 240_000
const LOG_LINES = 30
/** Whose dashboard has the most to show. */
const SHOWN = 'bob'

process.exitCode = await main()

async function main(): Promise<number> {
  const options = readOptions()
  if (options === null) return 2
  const interrupt = new AbortController()
  setMaxListeners(0, interrupt.signal)
  const onSignal = (): void => interrupt.abort(new Error('interrupted'))
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  const compose = createCompose(interrupt.signal)
  const table = createTimetable((text) => process.stdout.write(text), performance.now.bind(performance))
  let failed = false
  try {
    await compose.available()
    await compose.down()
    await play(compose, table)
  } catch (error) {
    failed = true
    process.stdout.write(`FAILED: ${error instanceof Error ? error.message : String(error)}\n`)
    if (!interrupt.signal.aborted) process.stdout.write(await compose.logs(LOG_LINES))
  }
  if (options.keep && !interrupt.signal.aborted) {
    process.stdout.write(await farewell(compose))
    return failed ? 1 : 0
  }
  try {
    await table.step('everything is taken down: containers, networks, volumes', () => compose.down())
    const left = await compose.leftovers()
    if (left.length > 0) throw new Error(`the lab left behind: ${left.join(', ')}`)
  } catch (error) {
    failed = true
    process.stdout.write(`FAILED: ${error instanceof Error ? error.message : String(error)}\n`)
  }
  if (!failed) process.stdout.write('Everything happened as it should.\n')
  return failed ? 1 : 0
}

async function play(compose: Compose, table: Timetable): Promise<void> {
  await table.step('the images are built', async () => {
    await compose.run(['--progress', 'plain', 'build'], BUILD_TIMEOUT_MS)
    const images = { daemon: 'bootstrap', server: 'alice', attacker: 'attacker' }
    const sizes = Object.entries(images).map(
      async ([name, service]) => `${name} ${Math.round((await compose.imageBytes(service)) / 1e6)} MB`
    )
    return (await Promise.all(sizes)).join(', ')
  })
  await table.step('all are up and healthy: friends have found each other by peer ID', () =>
    compose.run(['up', '--detach', '--wait', '--quiet-pull'], UP_TIMEOUT_MS)
  )
  await playStory(await createPlaces(compose), table)
}

function readOptions(): { keep: boolean } | null {
  try {
    const { values } = parseArgs({ options: { keep: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
    if (values.help !== true) return { keep: values.keep === true }
    process.stdout.write(USAGE)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`)
  }
  return null
}

async function farewell(compose: Compose): Promise<string> {
  const address = (await compose.run(['port', SHOWN, '7338']).catch(() => '')).trim()
  const lines = [
    'The lab stays as it is.',
    ...(address === '' ? [] : [`  http://${address}/  is ${SHOWN}'s dashboard`]),
    '  docker compose -f docker/compose.yaml exec carol banmesh status',
    '  docker compose -f docker/compose.yaml down --volumes',
    ''
  ]
  return lines.join('\n')
}
