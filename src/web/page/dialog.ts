/** The browser's own modal dialog: it keeps the focus inside, and Escape closes it. */
import { h, type ComponentChild, type ComponentChildren } from 'preact'

interface DialogProps {
  readonly open: boolean
  /** ID of its title. */
  readonly label: string
  readonly children?: ComponentChildren
  close(): void
}

export function Dialog({ open, label, children, close }: DialogProps): ComponentChild {
  function show(dialog: HTMLDialogElement | null): void {
    if (dialog === null) return
    if (open && !dialog.open) dialog.showModal()
    else if (!open && dialog.open) dialog.close()
  }
  return h(
    'dialog',
    {
      ref: show,
      'aria-labelledby': label,
      onClose: close,
      // On the backdrop, that is.
      onClick(event: MouseEvent) {
        if (event.target === event.currentTarget) close()
      }
    },
    h('div', { class: 'dialog-body' }, children)
  )
}
