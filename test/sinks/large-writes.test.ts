import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import type { Output } from '../../src/cli/output.js'
import { UNBOUNDED } from '../../src/cli/space.js'
import { largeWrites } from '../../src/sinks/large-writes.js'

const MIB = 1 << 20

/** An output that looks at what it was given only when it is slow in writing it. */
function slowOutput(seekable: boolean, failAt = Number.POSITIVE_INFINITY) {
  const content = Buffer.alloc(16 * MIB)
  const writes: { offset: number; length: number }[] = []
  let position = 0n
  async function take(offset: number, bytes: Uint8Array): Promise<void> {
    await sleep(1)
    if (offset + bytes.length > failAt) throw new Error('full')
    content.set(bytes, offset)
    writes.push({ offset, length: bytes.length })
  }
  const output: Output = {
    space: UNBOUNDED,
    name: 'slow',
    path: 'slow',
    seekable,
    get position() {
      return position
    },
    async write(...pieces) {
      for (const piece of pieces) {
        await take(Number(position), piece)
        position += BigInt(piece.length)
      }
    },
    writeAt: (offset, bytes) => take(Number(offset), bytes),
    truncate: async () => {},
    sync: async () => {},
    finish: async () => undefined,
  }
  return { output, content, writes }
}

test('whatever comes is written where it belongs, even when views are reused at once', async (t) => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), size: fc.integer({ min: 1, max: 70_000 }) }),
    fc.record({ kind: fc.constant('put' as const), size: fc.constantFrom(256 << 10, 300_000, MIB, MIB + 1) }),
    fc.record({ kind: fc.constant('make' as const), size: fc.integer({ min: 1, max: 2 * MIB }) }),
    fc.record({ kind: fc.constant('gap' as const), size: fc.integer({ min: 1, max: 5000 }) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), fc.boolean(), async (steps, seekable) => {
      const { output, content } = slowOutput(seekable)
      const expected = Buffer.alloc(content.length)
      const writes = largeWrites(output)
      const view = Buffer.alloc(MIB + 1)
      let at = 0
      for (const [i, { kind, size }] of steps.entries()) {
        const value = i + 1
        if (kind === 'gap') {
          if (seekable) at += size
          await writes.release()
          continue
        }
        expected.fill(value, at, at + size)
        if (kind === 'make') await writes.make(BigInt(at), BigInt(size), (into) => into.fill(value))
        else await writes.put(BigInt(at), view.fill(value).subarray(0, size))
        // The decoder reuses the memory of a batch once two further ones were asked for.
        if (kind === 'put' && size < 256 << 10) view.fill(0xee)
        else await writes.release()
        at += size
      }
      await writes.settle()
      t.true(content.equals(expected))
    }),
    { numRuns: 60 },
  )
})

test('small pieces leave as writes of 1 MiB', async (t) => {
  const { output, writes } = slowOutput(true)
  const large = largeWrites(output)
  for (let at = 0; at < 4 * MIB; at += 32 << 10) await large.put(BigInt(at), Buffer.alloc(32 << 10, 1))
  await large.settle()
  t.deepEqual(
    writes.map(({ length }) => length),
    [MIB, MIB, MIB, MIB],
  )
})

test('after a failure the lowest offset that is lost is told, once the failure was', async (t) => {
  const { output } = slowOutput(true, 2 * MIB)
  const large = largeWrites(output)
  await large.put(0n, Buffer.alloc(MIB, 1))
  await large.put(BigInt(MIB), Buffer.alloc(MIB, 1))
  await large.put(2n * BigInt(MIB), Buffer.alloc(MIB, 1))
  await t.throwsAsync(async () => large.put(3n * BigInt(MIB), Buffer.alloc(MIB, 1)), { message: 'full' })
  await large.settle()
  t.is(large.lostFrom, 2n * BigInt(MIB))
})
