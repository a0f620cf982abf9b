/** The form for the token, which the page keeps as long as its tab is open. */
import { h, type ComponentChild } from 'preact'
import type { Props } from './app.ts'
import { Dialog } from './dialog.ts'

export function UnlockDialog({ app, state }: Props): ComponentChild {
  const { unlocking } = state
  function submit(event: Event): void {
    event.preventDefault()
    void app.unlock(new FormData(event.currentTarget as HTMLFormElement).get('token') as string)
  }
  return h(
    Dialog,
    { open: unlocking !== null, label: 'unlock-title', close: () => app.closeUnlock() },
    unlocking === null
      ? null
      : h(
          'form',
          { class: 'unlock', onSubmit: submit },
          h('h2', { id: 'unlock-title' }, 'Unlock actions'),
          h(
            'p',
            { class: 'quiet' },
            'Paste the token. It is in the file ',
            h('code', null, 'web.token'),
            ' in the data folder of this node; ',
            h('code', null, 'banmesh status'),
            ' says where.'
          ),
          h('label', { for: 'token' }, 'Token'),
          h('input', {
            id: 'token',
            name: 'token',
            type: 'password',
            required: true,
            autocomplete: 'off',
            autofocus: true
          }),
          unlocking.wrong === null ? null : h('p', { class: 'wrong', role: 'alert' }, unlocking.wrong),
          h(
            'p',
            { class: 'actions' },
            h('button', { type: 'submit' }, 'Unlock'),
            h('button', { type: 'button', class: 'plain', onClick: () => app.closeUnlock() }, 'Cancel')
          )
        )
  )
}
