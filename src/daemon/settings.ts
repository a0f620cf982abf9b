/** The config as the dashboard changes it: in the file, as the commands do, and live at once. */
import type { Reloaded } from '../control/api.ts'
import type { Answer } from '../control/server.ts'
import type { Result } from '../core/result.ts'
import { allowEdit, disallowEdit, friendEdit } from './config-changes.ts'
import { changeFriend, listAllowed, removeFriend } from './config-edit.ts'
import { editConfigFile, type WriteRefusal } from './config-file.ts'
import { parseAllowed } from './config-values.ts'
import { readConfigText } from './config.ts'

export interface SettingsOptions {
  /** The config file. */
  readonly file: string
  reload(): Promise<Answer<Reloaded>>
  /** Done, for the audit log and who watches. */
  told(command: string, detail: Readonly<Record<string, unknown>>): void
}

/** Percent. What is not named stays. */
export interface FriendChange {
  readonly trust?: number
  readonly observe?: boolean
  readonly paused?: boolean
}

export interface Settings {
  changeFriend(id: string, change: FriendChange): Promise<Answer<unknown>>
  removeFriend(id: string): Promise<Answer<unknown>>
  /** As the file has it. */
  allowlist(): readonly string[]
  allow(entry: string): Promise<Answer<unknown>>
  disallow(entry: string): Promise<Answer<unknown>>
}

type Refusal = WriteRefusal | 'no-such-friend' | 'ambiguous-friend' | 'duplicate' | 'absent'

const REFUSALS: Readonly<Record<Refusal, readonly [status: 403 | 404 | 500, message: string]>> = {
  unreadable: [500, "the config can't be read"],
  'not-writable': [500, "the daemon's user can't replace the config: use the commands"],
  locked: [500, 'a command is changing the config just now'],
  'would-not-parse': [500, 'the config was left alone: the change would have broken it'],
  'no-such-friend': [404, 'there is no friend with that peer ID'],
  'ambiguous-friend': [403, 'the config has that friend several times'],
  duplicate: [403, 'it is on the allowlist already'],
  absent: [404, 'it is not on the allowlist']
}

export function createSettings({ file, reload, told }: SettingsOptions): Settings {
  async function change(
    edit: (text: string) => Result<string, Refusal>,
    command: string,
    detail: Readonly<Record<string, unknown>>
  ): Promise<Answer<unknown>> {
    const edited = await editConfigFile(file, edit)
    if (!edited.ok) {
      const [status, message] = REFUSALS[edited.reason]
      return { ok: false, status, reason: edited.reason, message }
    }
    told(command, detail)
    return reload()
  }

  return {
    changeFriend(id, changes) {
      const edit = friendEdit(id, (text, index) => {
        const { trust, observe, paused } = changes
        let edited = text
        if (trust !== undefined) edited = changeFriend(edited, index, 'trust', trust)
        if (observe !== undefined) edited = changeFriend(edited, index, 'observe', observe)
        return paused === undefined ? edited : changeFriend(edited, index, 'paused', paused)
      })
      return change(edit, 'friend', { id, ...changes })
    },
    removeFriend: (id) => change(friendEdit(id, removeFriend), 'friend-remove', { id }),
    allowlist() {
      const text = readConfigText(file)
      return typeof text === 'string' ? listAllowed(text).map(String) : []
    },
    async allow(text) {
      const parsed = parseAllowed(text)
      if ('wrong' in parsed) {
        return { ok: false, status: 400, reason: 'bad-entry', message: `an entry of the allowlist ${parsed.wrong}` }
      }
      const entry = 'cidr' in parsed.value ? parsed.value.cidr : parsed.value.host
      return change(allowEdit(entry), 'allow', { entry })
    },
    disallow: (entry) => change(disallowEdit(entry), 'disallow', { entry })
  }
}
