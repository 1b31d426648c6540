/** Whole numbers below 2^32, four bytes each, as many as come. */
export interface NumberLog {
  push(value: number): void
  /** All of them: a view, until the next one comes. */
  values(): Uint32Array
}

export function createNumberLog(): NumberLog {
  let room = new Uint32Array(1024)
  let count = 0
  return {
    push(value) {
      if (count === room.length) {
        const larger = new Uint32Array(room.length * 2)
        larger.set(room)
        room = larger
      }
      room[count++] = value
    },
    values: () => room.subarray(0, count),
  }
}

const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** The places of `keys` in ascending order of them; equal ones stay in their order. */
export function placesInOrder(keys: Uint32Array): Uint32Array {
  // Key and place make one number of 64 bits each, and those sort natively.
  const order = new BigUint64Array(keys.length)
  const halves = new Uint32Array(order.buffer)
  const low = LITTLE_ENDIAN ? 0 : 1
  for (let place = 0; place < keys.length; place++) {
    halves[2 * place + low] = place
    halves[2 * place + 1 - low] = keys[place]!
  }
  order.sort()
  const places = new Uint32Array(keys.length)
  for (let rank = 0; rank < keys.length; rank++) places[rank] = halves[2 * rank + low]!
  return places
}
