/** Percent as a bar, with the number beside it. */
import { h, type ComponentChild } from 'preact'
import { percent } from './format.ts'

/** `mark`: percent at which a line is drawn, the threshold say. */
export function Bar({ value, mark }: { readonly value: number; readonly mark?: number }): ComponentChild {
  return h(
    'span',
    { class: 'bar' },
    h(
      'svg',
      { viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      h('rect', { class: 'track', width: 100, height: 6, rx: 3 }),
      h('rect', { class: 'fill', width: Math.min(100, value), height: 6, rx: 3 }),
      mark === undefined ? null : h('rect', { class: 'mark', x: Math.min(98, mark - 1), width: 2, height: 6 })
    ),
    h('span', { class: 'number' }, percent(value))
  )
}
