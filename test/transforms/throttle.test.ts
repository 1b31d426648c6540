import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import path from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import type { Batch, Frame } from '../../src/frames/frame.js'
import { throttle } from '../../src/transforms/throttle.js'
import { close, data, end, start, stream } from './support.js'

/** Time that passes only while somebody waits. */
function clockOfTest() {
  let now = 1_000_000
  return {
    now: () => now,
    async pause(ms: number) {
      now += ms
    },
  }
}

/** DATA that is so long on the wire. */
const ofLength = (bytes: number): Frame => data(0n, Buffer.of(), { raw: Buffer.alloc(bytes) })

async function* each(batches: readonly Batch[], before: (index: number) => void = () => {}) {
  for (const [index, batch] of batches.entries()) {
    before(index)
    yield batch
  }
}

test('never more has left than the rate allows, and no time is lost', async (t) => {
  const batches = fc.array(fc.array(fc.nat(100_000), { maxLength: 8 }), { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(batches, fc.integer({ min: 1, max: 1 << 20 }), async (sizes, rate) => {
      const clock = clockOfTest()
      const began = clock.now()
      let sent = 0
      for await (const batch of throttle(rate, clock)(each(sizes.map((batch) => batch.map(ofLength))))) {
        for (const { raw } of batch) sent += raw!.length
        t.true(sent <= (rate * (clock.now() - began)) / 1000 + 1)
      }
      t.is(
        sent,
        sizes.flat().reduce((sum, size) => sum + size, 0),
      )
      t.true(((clock.now() - began) * rate) / 1000 <= sent + 1)
    }),
  )
})

test('a batch leaves in pieces of a twentieth of a second, frames as they came', async (t) => {
  const frames = [start, stream(), ...Array.from({ length: 100 }, () => ofLength(10)), close, end]
  const pieces: Batch[] = []
  for await (const piece of throttle(1000, clockOfTest())(each([frames]))) pieces.push(piece)
  t.true(pieces.length > 15)
  t.deepEqual(pieces.flat(), frames)
})

test('after a stall no more than a second is made up for', async (t) => {
  const clock = clockOfTest()
  const batches = Array.from({ length: 100 }, () => [ofLength(100)])
  const stall = (index: number) => {
    if (index === 50) void clock.pause(3_600_000)
  }
  let burst = 0
  let last = 0
  for await (const batch of throttle(1000, clock)(each(batches, stall))) {
    if (clock.now() !== last) burst = 0
    for (const { raw } of batch) burst += raw!.length
    last = clock.now()
    t.true(burst <= 1100)
  }
})

const sh = (script: string) =>
  spawnSync('bash', ['-c', script], {
    env: { ...process.env, PATH: `${path.resolve('bin')}:${process.env.PATH}` },
    encoding: 'latin1',
  })

test('pmem-throttle keeps a pipe to its rate, and every frame but START as it was', (t) => {
  const began = performance.now()
  const { status, stdout } = sh(
    `yes | head -c 300000 | file-cat - | pmem-hash sha256 | pmem-chunk 4k | pmem-throttle 200k | pmem-frames | grep -v START`,
  )
  t.true(performance.now() - began > 1400)
  t.is(status, 0)
  t.is(stdout.match(/^DATA/gm)?.length, 74)
  t.regex(
    stdout,
    new RegExp(`^DIGEST .*${createHash('sha256').update('y\n'.repeat(150_000)).digest('hex')}`, 'm'),
  )
})

test('a rate that is none is a usage error', (t) => {
  for (const rate of ['0', '10X', '1.5M']) {
    const { status, stderr } = sh(`pmem-throttle ${rate} < /dev/null`)
    t.is(status, 64)
    t.regex(
      stderr,
      new RegExp(`^pmem-throttle: ${rate}: .*\nhint: usage: pmem-throttle \\[OPTIONS\\] RATE\n$`),
    )
  }
})
