import type { SystemFile } from '../platform/system-files.js'
import type { Span } from './address-space-frames.js'

/** Spans that nobody has come to yet: enough to ask ahead for, where they are small. */
const AHEAD = 16n << 20n

/**
 * The same spans; what is read of them is announced to a file that wants to know ahead.
 * @param placeOf where in the file an address stands
 */
export async function* announceSpans(
  spans: AsyncIterable<Span>,
  { expect }: { readonly expect?: SystemFile['expect'] | undefined },
  placeOf: (address: bigint) => bigint,
): AsyncGenerator<Span> {
  if (!expect) {
    yield* spans
    return
  }
  const coming = spans[Symbol.asyncIterator]()
  const waiting: { span: Span; past: () => void }[] = []
  let bytes = 0n
  let over = false
  let failure: { error: unknown } | undefined
  let filling: Promise<void> | undefined

  async function fill(): Promise<void> {
    try {
      while (!over && bytes < AHEAD) {
        const { value: span, done } = await coming.next()
        over = done === true
        if (over) break
        const past = span.fill ? () => {} : expect!(placeOf(span.start), span.length)
        waiting.push({ span, past })
        bytes += span.length
      }
    } catch (error) {
      failure = { error }
      over = true
    }
  }

  function keepFilling(): void {
    if (filling || over || bytes >= AHEAD) return
    filling = fill().finally(() => {
      filling = undefined
    })
  }

  try {
    for (;;) {
      keepFilling()
      if (waiting.length === 0) await filling
      const next = waiting.shift()
      if (!next && failure) throw failure.error
      if (!next) return
      bytes -= next.span.length
      keepFilling()
      yield next.span
      next.past()
    }
  } finally {
    await coming.return?.(undefined)
  }
}
