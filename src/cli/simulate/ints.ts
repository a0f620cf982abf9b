/** A list of 32-bit integers that grows: millions of them in a few megabytes. */

export interface Ints {
  /** Longer than `length`; another array after a push that had to grow. */
  data: Int32Array
  length: number
}

export function createInts(capacity = 1024): Ints {
  return { data: new Int32Array(capacity), length: 0 }
}

/** Returns the index of the new item. */
export function push(ints: Ints, value: number): number {
  if (ints.length === ints.data.length) {
    const longer = new Int32Array(ints.data.length * 2)
    longer.set(ints.data)
    ints.data = longer
  }
  ints.data[ints.length] = value
  return ints.length++
}
