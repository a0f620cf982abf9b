/** What can be changed of a friend, for who has the token; it is written into the config. */
import { h, type ComponentChild } from 'preact'
import type { FriendRow } from '../api.ts'
import type { App } from './app.ts'

export function FriendTools({ app, friend }: { readonly app: App; readonly friend: FriendRow }): ComponentChild {
  const { id, name, trust, observe, paused } = friend
  const button = (text: string, kind: string, act: () => unknown): ComponentChild =>
    h('button', { type: 'button', class: kind, 'aria-label': `${text} ${name}`, onClick: () => void act() }, text)
  function submit(event: Event): void {
    event.preventDefault()
    const percent = Number(new FormData(event.currentTarget as HTMLFormElement).get('trust'))
    void app.configure('friend', { id, trust: percent }, `The trust in ${name} is ${percent} % now`)
  }
  return h(
    'details',
    { class: 'friend-tools' },
    h('summary', { 'aria-label': `Change ${name}` }, 'Change…'),
    h(
      'div',
      { class: 'choices' },
      h(
        'form',
        { onSubmit: submit },
        h(
          'label',
          null,
          'Trust, % ',
          h('input', { name: 'trust', type: 'number', min: 0, max: 100, required: true, defaultValue: String(trust) })
        ),
        h('button', { type: 'submit', 'aria-label': `Set the trust in ${name}` }, 'Set')
      ),
      paused
        ? button('Resume', 'plain', () => app.configure('friend', { id, paused: false }, `${name} is heard again`))
        : button('Pause', 'plain', () => app.configure('friend', { id, paused: true }, `${name} is paused`)),
      observe
        ? button('Act on', 'plain', () => app.configure('friend', { id, observe: false }, `${name} is acted on`))
        : button('Only observe', 'plain', () =>
            app.configure('friend', { id, observe: true }, `${name} is only observed`)
          ),
      h(
        'details',
        null,
        h('summary', { 'aria-label': `Remove ${name}…` }, 'Remove…'),
        h('span', null, 'What only this friend says counts no more. '),
        button('Remove', 'danger', () => app.configure('friend/remove', { id }, `${name} is no friend any more`))
      )
    )
  )
}
