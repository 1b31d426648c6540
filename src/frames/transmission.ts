import type { Frame, StreamBody } from './frame.js'
import { FrameError } from './frame-error.js'
import { HEADER_SIZE } from './header.js'

/** Where a transmission stands: what may come next, and what END must count. */
export interface Transmission {
  /** The stream that is open and the bytes of address space covered so far; undefined between streams. */
  readonly open: Readonly<{ id: number; bytes: bigint }> | undefined
  /**
   * Takes the next frame of this transmission, START first.
   * @throws {FrameError} when the grammar forbids it
   */
  accept(frame: Frame, at: bigint): void
}

/**
 * The grammar of one transmission (pmem-frames(5)):
 *
 *     START ( STREAM (DATA | FILL | META | DIGEST | NOTE)* CLOSE | META | NOTE )* END
 */
export function createTransmission(): Transmission {
  const seen = new Set<number>()
  let state: 'before' | 'inside' | 'over' = 'before'
  let open: { id: number; body: StreamBody; next: bigint; covered: boolean; bytes: bigint } | undefined
  let frames = 0
  let bytes = 0
  let streams = 0

  function accept(frame: Frame, at: bigint): void {
    const refuse: (why: string) => never = (why) => {
      throw new FrameError(`${frame.type}: ${why}`, at)
    }
    if (state === 'over') refuse('the transmission is over')
    if (state === 'before' && frame.type !== 'start') refuse('no START before it')
    switch (frame.type) {
      case 'start':
        if (state !== 'before') refuse('inside a transmission')
        state = 'inside'
        break
      case 'stream':
        if (open) refuse(`stream ${open.id} is still open`)
        if (seen.has(frame.stream)) refuse(`stream id ${frame.stream} was given before`)
        seen.add(frame.stream)
        streams++
        open = { id: frame.stream, body: frame.body, next: 0n, covered: false, bytes: 0n }
        break
      case 'data':
      case 'fill': {
        if (open?.id !== frame.stream) refuse(`stream ${frame.stream} is not open`)
        const { kind, ordered } = open.body
        if (kind === 'folder' || kind === 'link') refuse(`a ${kind} has no bytes`)
        if (ordered !== false) {
          if (frame.offset < open.next)
            refuse(`offset 0x${frame.offset.toString(16)} is behind 0x${open.next.toString(16)}`)
          if (kind === 'image' && frame.offset !== open.next)
            refuse(`a gap in an image: 0x${open.next.toString(16)} to 0x${frame.offset.toString(16)}`)
          open.next = frame.offset + frame.length
        }
        open.covered = true
        open.bytes += frame.length
        break
      }
      case 'digest':
        if (open?.id !== frame.stream) refuse(`stream ${frame.stream} is not open`)
        break
      case 'meta':
      case 'note':
        if (frame.stream !== 0 && open?.id !== frame.stream) refuse(`stream ${frame.stream} is not open`)
        break
      case 'close':
        if (open?.id !== frame.stream) refuse(`stream ${frame.stream} is not open`)
        if (open.body.kind === 'map' && !open.covered && frame.body.status === 'complete')
          refuse('a map without one DATA or FILL')
        open = undefined
        break
      case 'end':
        if (open) refuse(`stream ${open.id} is still open`)
        if (frame.body.status === 'complete' && streams === 0) refuse('complete without a STREAM')
        if (frame.body.frames !== frames || frame.body.bytes !== bytes)
          refuse(
            `counts ${frame.body.frames} frames and ${frame.body.bytes} bytes, ${frames} and ${bytes} came`,
          )
        state = 'over'
        break
    }
    frames++
    if (frame.raw) bytes += frame.raw.length - HEADER_SIZE
  }
  return {
    accept,
    get open() {
      return open
    },
  }
}
