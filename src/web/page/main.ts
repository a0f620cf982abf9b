/** Starts the page: the state, the screen, and the stream of what happens. */
import { h, render } from 'preact'
import type { LiveEvent } from '../api.ts'
import { createApp, type State } from './app.ts'
import { Screen } from './screen.ts'

const POLL_MS = 5000
const HISTORY_MS = 60_000

const root = document.getElementById('app')!
let drawing = false

const app = createApp(
  {
    sessionStorage,
    localStorage,
    location,
    now: Date.now,
    later(work, ms) {
      const timer = setTimeout(work, ms)
      return () => clearTimeout(timer)
    }
  },
  () => {
    if (drawing) return
    drawing = true
    queueMicrotask(draw)
  }
)

function draw(): void {
  drawing = false
  const state: State = app.state()
  document.documentElement.dataset['theme'] = state.theme
  render(h(Screen, { app, state }), root)
}

/** The browser comes back by itself after a break, and names the last event that it has seen. */
function listen(): void {
  const stream = new EventSource('/api/events')
  stream.addEventListener('message', ({ data }) => app.happened(JSON.parse(data as string) as LiveEvent[]))
  stream.addEventListener('open', () => app.connected('live'))
  stream.addEventListener('error', () => {
    app.connected('lost')
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, POLL_MS)
  })
}

addEventListener('hashchange', () => void app.followHash())
matchMedia('(max-width: 640px)').addEventListener('change', draw)
draw()
app.refresh()
void app.resume().then(() => app.followHash())
void app.readHistory()
listen()
setInterval(() => void app.poll(), POLL_MS)
setInterval(() => void app.readHistory(), HISTORY_MS)
