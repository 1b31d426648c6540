import zlib from 'node:zlib'

/** One zlib state that codes one input after another, each by itself. */
export interface ZlibState {
  /**
   * Codes a whole input.
   * @returns bytes of output and how many of input are left, or what zlib says against it. Output that is filled to
   * the last byte may be cut.
   */
  run(input: Uint8Array, output: Uint8Array): { written: number; left: number } | { error: string }
}

/**
 * What of a zlib stream is used. Node has no documented way to use a state twice, and setting one up for each chunk
 * costs a fifth of the time (docs/decisions.md). These fields are the same in Node 20, 22 and 24.
 */
interface Internals {
  readonly _handle: {
    onerror(message: string, errno: number, code: string): void
    reset(): void
    writeSync(
      flush: number,
      input: Uint8Array,
      inputAt: number,
      inputLength: number,
      output: Uint8Array,
      outputAt: number,
      outputLength: number,
    ): void
  }
  /** Of the last write: bytes of output that are free, bytes of input that are left. */
  readonly _writeState: Uint32Array
}

/**
 * @param open makes the stream whose state it is
 * @param sample an input and its output, on which it is tried
 * @returns undefined where this Node keeps its streams in another way
 */
export function openZlibState(
  open: () => zlib.Deflate | zlib.Inflate | zlib.InflateRaw,
  sample: { input: Uint8Array; output: Uint8Array },
): ZlibState | undefined {
  try {
    const stream = open() as unknown as Internals
    const state: ZlibState = { run: (input, output) => runState(stream, input, output) }
    // The second use is the one that counts.
    return works(state, sample) && works(state, sample) ? state : undefined
  } catch {
    return undefined
  }
}

function runState({ _handle, _writeState }: Internals, input: Uint8Array, output: Uint8Array) {
  let error: string | undefined
  _handle.onerror = (message) => {
    error = message
  }
  _handle.reset()
  _handle.writeSync(zlib.constants.Z_FINISH, input, 0, input.length, output, 0, output.length)
  if (error !== undefined) return { error }
  return { written: output.length - _writeState[0]!, left: _writeState[1]! }
}

function works(state: ZlibState, sample: { input: Uint8Array; output: Uint8Array }): boolean {
  const output = Buffer.alloc(sample.output.length + 1)
  const result = state.run(sample.input, output)
  if ('error' in result || result.left > 0) return false
  return output.subarray(0, result.written).equals(sample.output)
}
