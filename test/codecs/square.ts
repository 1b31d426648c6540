import { threadId } from 'node:worker_threads'

export interface Square {
  readonly square: number
  readonly thread: number
}

/** Squares a number that is not negative, and says where. */
export function square(number: number): Square {
  if (number < 0) throw new RangeError(`${number} is negative`)
  return { square: number * number, thread: threadId }
}
