/** The stack and the memo of the pickle reader (pickle.ts), with the limits of what an answer may build. */

export const PICKLE_LIMITS = {
  /** Values in one answer: more bans than its bytes could list (`CLIENT_LIMITS.outputBytes`). */
  values: 500_000,
  /** Lists in lists. fail2ban's deepest answer, the status of a jail, has six. */
  depth: 12
} as const

/** A tuple is an array too. */
export type PickleValue = null | boolean | number | string | Raised | readonly PickleValue[]

/** An exception, of which the name of its class is all that is kept. */
export interface Raised {
  readonly raised: string
}

/** Thrown inside the reader only, where it begins it also ends. */
export const notUnderstood = new Error('not understood')

type Item =
  | { readonly kind: 'mark' }
  | { readonly kind: 'class'; readonly module: string; readonly name: string }
  | { readonly kind: 'value'; readonly value: PickleValue; readonly depth: number }
  /** May still grow. */
  | { readonly kind: 'list'; readonly value: PickleValue[]; depth: number }

/** How many of the topmost items, or all of them down to the last mark. */
type Count = number | 'marked'

export type PickleMachine = ReturnType<typeof createPickleMachine>

export function createPickleMachine() {
  const stack: Item[] = []
  const memo: Item[] = []
  let made = 0

  function put(item: Item): void {
    if (++made > PICKLE_LIMITS.values) throw notUnderstood
    stack.push(item)
  }

  function pop<Kind extends Item['kind']>(...kinds: Kind[]): Extract<Item, { kind: Kind }> {
    const item = stack.pop()
    if (item === undefined || !kinds.some((kind) => kind === item.kind)) throw notUnderstood
    return item as Extract<Item, { kind: Kind }>
  }

  function popText(): string {
    const { value } = pop('value')
    if (typeof value !== 'string') throw notUnderstood
    return value
  }

  function popValues(count: Count): { readonly values: PickleValue[]; readonly depth: number } {
    const start = count === 'marked' ? stack.findLastIndex(({ kind }) => kind === 'mark') : stack.length - count
    if (start < 0) throw notUnderstood
    const values: PickleValue[] = []
    let depth = 0
    for (const item of stack.splice(start).slice(count === 'marked' ? 1 : 0)) {
      if (item.kind !== 'value' && item.kind !== 'list') throw notUnderstood
      values.push(item.value)
      depth = Math.max(depth, item.depth)
    }
    if (depth >= PICKLE_LIMITS.depth) throw notUnderstood
    return { values, depth: depth + 1 }
  }

  return {
    push(value: null | boolean | number | string): void {
      put({ kind: 'value', value, depth: 0 })
    },
    mark(): void {
      put({ kind: 'mark' })
    },
    pushList(): void {
      put({ kind: 'list', value: [], depth: 1 })
    },
    append(count: Count): void {
      const { values, depth } = popValues(count)
      const list = stack.at(-1)
      if (list?.kind !== 'list') throw notUnderstood
      for (const value of values) list.value.push(value)
      list.depth = Math.max(list.depth, depth)
    },
    tuple(count: Count): void {
      const { values, depth } = popValues(count)
      put({ kind: 'value', value: values, depth })
    },
    remember(): void {
      const item = stack.at(-1)
      if (item === undefined || item.kind === 'mark') throw notUnderstood
      memo.push(item)
    },
    recall(index: number): void {
      const item = memo[index]
      // A list that is fetched again could be put into itself.
      if (item === undefined || item.kind === 'list') throw notUnderstood
      put(item)
    },
    pushClass(): void {
      const name = popText()
      put({ kind: 'class', module: popText(), name })
    },
    /** Runs nothing: see pickle.ts. */
    call(): void {
      const { value: args, depth } = pop('value')
      const { module, name } = pop('class')
      if (!Array.isArray(args)) throw notUnderstood
      if (module === 'builtins' && name === 'str') {
        if (args.length !== 1 || typeof args[0] !== 'string') throw notUnderstood
        put({ kind: 'value', value: args[0], depth: 0 })
      } else {
        if (module !== 'fail2ban.exceptions' && !(module === 'builtins' && /(Error|Exception)$/.test(name))) {
          throw notUnderstood
        }
        put({ kind: 'value', value: { raised: name }, depth })
      }
    },
    result(): PickleValue {
      const { value } = pop('value', 'list')
      if (stack.length > 0) throw notUnderstood
      return value
    }
  }
}
