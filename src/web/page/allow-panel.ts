/** The allowlist, for who has the token: what is never banned here. It is written into the config. */
import { h, type ComponentChild } from 'preact'
import type { Props } from './app.ts'

export function AllowPanel({ app, state }: Props): ComponentChild {
  const { allowlist } = state
  if (allowlist === null) return null
  async function submit(event: Event): Promise<void> {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const entry = (new FormData(form).get('entry') as string).trim()
    if (await app.configure('allow', { entry }, `${entry} is never banned here`)) form.reset()
  }
  return h(
    'section',
    { class: 'panel', 'aria-labelledby': 'allow-title' },
    h('div', { class: 'panel-head' }, h('h2', { id: 'allow-title' }, 'Allowlist')),
    allowlist.length === 0
      ? h('p', { class: 'empty' }, 'Nothing is on it.')
      : h(
          'ul',
          { class: 'allowlist' },
          allowlist.map((entry) =>
            h(
              'li',
              { key: entry },
              h('code', null, entry),
              h(
                'button',
                {
                  type: 'button',
                  class: 'plain',
                  'aria-label': `Remove ${entry} from the allowlist`,
                  onClick: () => void app.configure('disallow', { entry }, `${entry} is off the allowlist`)
                },
                'Remove'
              )
            )
          )
        ),
    h(
      'form',
      { class: 'allow-form', onSubmit: (event: Event) => void submit(event) },
      h('label', { for: 'allow-entry' }, 'Never ban'),
      h('input', {
        id: 'allow-entry',
        name: 'entry',
        required: true,
        maxLength: 254,
        spellcheck: false,
        autocomplete: 'off',
        placeholder: 'Address, range or host name'
      }),
      h('button', { type: 'submit' }, 'Allow')
    )
  )
}
