import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { compress as encode } from '../../src/codecs/codec.js'
import { uniteRuns } from '../../src/formats/address-space.js'
import { formatAddress } from '../../src/frames/address.js'
import { chunkContent } from '../../src/frames/chunk-content.js'
import type { DataFrame, Frame, StreamBody } from '../../src/frames/frame.js'
import { createTransmission } from '../../src/frames/transmission.js'
import type { Choice } from '../../src/transforms/select/select-streams.js'
import { selectStreams } from '../../src/transforms/select/select-streams.js'
import { sample } from '../codecs/samples.js'
import { batchSizes } from './shapes.js'
import { close, collect, data, end, fill, inBatches, reusing, start, stream } from './support.js'

const folder = mkdtempSync(path.join(tmpdir(), 'pmem-select-'))
const env = { ...process.env, PATH: `${path.resolve('bin')}:${process.env.PATH}` }
const sh = (script: string) =>
  spawnSync('bash', ['-c', `set -o pipefail; ${script}`], { cwd: folder, env, encoding: 'utf8' })
test.before(() => {
  writeFileSync(path.join(folder, 'a'), 'first')
  writeFileSync(path.join(folder, 'b'), 'second')
  writeFileSync(path.join(folder, 'large'), sample('text', 300_000))
})
test.after.always(() => rmSync(folder, { recursive: true }))

const CHUNK = 64
const SIZE = 600

/** What each byte of a small stream reads as: its value, or what became of it; undefined where nothing covers it. */
function readings(frames: readonly Frame[]): (number | string | undefined)[] {
  const read: (number | string | undefined)[] = []
  for (const frame of frames) {
    if (frame.type !== 'data' && frame.type !== 'fill') continue
    const content = frame.type === 'data' ? chunkContent(frame, CHUNK) : undefined
    for (let at = 0; at < Number(frame.length); at++)
      read[Number(frame.offset) + at] = content ? content[at] : (frame as { fill: string }).fill
  }
  return read
}

/** DATA in chunks, stored in any form, and FILL, in a small address space. */
const pieces = fc.array(
  fc.record({
    gap: fc.constantFrom(0, 0, 0, 7, 200),
    form: fc.constantFrom('none', 'zlib', 'snappy', 'lz4', 'raw', 'zero', 'unreadable'),
    length: fc.integer({ min: 1, max: CHUNK }),
  }),
  { minLength: 1, maxLength: 30 },
)
type Pieces = typeof pieces extends fc.Arbitrary<infer T> ? T : never

function framesOf(given: Pieces, gapless: boolean): Frame[] {
  let at = 0
  return given.map(({ gap, form, length }, index) => {
    const offset = BigInt(gapless ? at : at + gap)
    at = Number(offset) + length
    if (form === 'zero' || form === 'unreadable') return fill(offset, BigInt(length), { fill: form })
    const content = Buffer.alloc(length, (index % 255) + 1)
    for (let byte = 0; byte < length; byte += 3) content[byte] = byte
    if (form === 'raw') return data(offset, content)
    const whole = Buffer.concat([content], CHUNK)
    const payload = form === 'none' ? whole : encode(form as 'zlib', whole)
    return data(offset, payload, {
      codec: form as DataFrame['codec'],
      length: BigInt(length),
      padded: length < CHUNK,
    })
  })
}

const someRuns = fc
  .array(fc.tuple(fc.nat(SIZE), fc.integer({ min: 1, max: 600 })), { minLength: 1, maxLength: 6 })
  .map((runs) => uniteRuns(runs.map(([start, length]) => ({ start: BigInt(start), length: BigInt(length) }))))

const isIn = (runs: readonly { start: bigint; length: bigint }[], at: number) =>
  runs.some(({ start, length }) => BigInt(at) >= start && BigInt(at) < start + length)

/** Frames that came out, held against the grammar as a decoder would. */
function grammatical(frames: readonly Frame[]): readonly Frame[] {
  const transmission = createTransmission()
  for (const [index, { raw: _, ...frame }] of frames.entries())
    transmission.accept(
      frame.type === 'end' ? { ...frame, body: { ...frame.body, frames: index, bytes: 0 } } : frame,
      0n,
    )
  return frames
}

const select = async (frames: readonly Frame[], choice: Choice, sizes: readonly number[] = [100]) =>
  grammatical(
    await collect(
      selectStreams(reusing(inBatches(frames, sizes)), { wanted: [], choose: () => choice, program: 'test' }),
    ),
  )

for (const rest of ['absent', 'unknown'] as const)
  for (const announced of [true, false])
    test(`what is in ranges goes on in every form, the rest is ${rest}${announced ? '' : ', of a stream that tells nothing ahead'}`, async (t) => {
      let nothing = 0
      await fc.assert(
        fc.asyncProperty(pieces, someRuns, batchSizes, async (given, keep, sizes) => {
          const frames = framesOf(given, rest === 'unknown')
          const before = readings(frames)
          const size = formatAddress(BigInt(before.length))
          const ranges = uniteRuns(
            frames.flatMap((frame) =>
              frame.type === 'data' || frame.type === 'fill'
                ? [{ start: frame.offset, length: frame.length }]
                : [],
            ),
          ).map(({ start, length }): [string, string] => [formatAddress(start), formatAddress(length)])
          const body: Partial<StreamBody> = {
            kind: rest === 'unknown' ? 'image' : 'map',
            chunkSize: CHUNK,
            ...(announced && { size, ...(rest === 'absent' && { ranges }) }),
          }
          const all = [start, stream(body), ...frames, close, end]
          const selected = before.map((byte, at) => (isIn(keep, at) ? byte : undefined))
          if (selected.every((byte) => byte === undefined)) {
            nothing++
            await t.throwsAsync(select(all, { keep, rest }, sizes), {
              message: /nothing of what came is selected/,
            })
            return
          }
          const got = await select(all, { keep, rest }, sizes)
          const after = readings(got)
          const expected =
            rest === 'unknown'
              ? before.map((byte, at) => (isIn(keep, at) ? byte : 'unknown'))
              : selected.slice(0, selected.findLastIndex((byte) => byte !== undefined) + 1)
          t.deepEqual([...after], [...expected])
          const [opened] = got.filter((frame) => frame.type === 'stream')
          t.is(opened!.body.kind, body.kind!)
          if (announced) t.is(opened!.body.size, formatAddress(BigInt(expected.length)))
          const covered = got.reduce((sum, frame) => sum + ('length' in frame ? frame.length : 0n), 0n)
          const [closed] = got.filter((frame) => frame.type === 'close')
          if (selected.some((byte, at) => byte !== before[at])) t.is(closed!.body.bytes, Number(covered))
        }),
        { numRuns: 150, includeErrorInReport: true },
      )
      t.true(nothing < 100)
    })

test('digests of what was cut are dropped, other facts and the place of what was left out go on', async (t) => {
  const digest: Frame = {
    type: 'digest',
    stream: 1,
    time: 0n,
    body: { algorithm: 'md5', value: '00', covers: 'linear' },
  }
  const meta: Frame = { type: 'meta', stream: 1, time: 0n, turtle: '<> <p> 1 .' }
  const frames = [start, stream(), meta, data(0n, Buffer.alloc(100, 1)), digest, close, end]
  const cut = await select(frames, { keep: [{ start: 10n, length: 5n }], rest: 'absent' })
  t.deepEqual(
    cut.map(({ type }) => type),
    ['start', 'stream', 'note', 'meta', 'data', 'close', 'end'],
  )
  t.like(cut[2], { body: { level: 'warning', message: 'only 0xa-0xf of it: the rest was left out' } })
  t.deepEqual(await select(frames, 'everything'), frames)
})

test('a payload that is not what its sender summed is not cut', async (t) => {
  const frames = [start, stream(), data(0n, Buffer.alloc(100, 1), { crc: 7 }), close, end]
  await t.throwsAsync(select(frames, { keep: [{ start: 10n, length: 5n }], rest: 'absent' }), {
    message: /CRC does not match/,
  })
})

test('frames inside a range pass as they came', async (t) => {
  const raw = Buffer.from('header and payload')
  const frames = [
    start,
    stream(),
    data(0n, Buffer.alloc(100, 1), { raw }),
    data(200n, Buffer.alloc(1)),
    close,
    end,
  ]
  const got = await select(frames, { keep: [{ start: 0n, length: 100n }], rest: 'absent' })
  t.is(got.find(({ type }) => type === 'data')!.raw, raw)
})

test('streams by name: those go on whole, the others are named in a note', (t) => {
  const { status, stdout, stderr } = sh(
    'file-cat a b large | pmem-select --stream b --stream large | pmem-frames',
  )
  t.is(status, 0, stderr)
  t.deepEqual(
    [...stdout.matchAll(/"name":"(a|b|large)"/g)].map(([, name]) => name),
    ['b', 'large'],
  )
  t.regex(stdout, /NOTE +0 .*left out: a"/)
})

test('a transmission of which nothing is selected is left out, and said to be', (t) => {
  const { status, stdout } = sh(
    '(file-cat a; file-cat b; file-cat large) | pmem-select --stream b | pmem-frames',
  )
  t.is(status, 0)
  t.is(stdout.match(/^START/gm)?.length, 1)
  t.regex(stdout, /NOTE +0 .*left out: a, large"/)
})

test('a name that does not come is refused, and the names that did are told', (t) => {
  for (const names of ['--stream nowhere', '--stream a --stream nowhere']) {
    const { status, stderr } = sh(
      `file-cat a b | pmem-select ${names} | raw-sink -t out; echo "\${PIPESTATUS[*]}"`,
    )
    t.regex(stderr, /^pmem-select: no stream is called nowhere\nhint: there are: (a, )?b$/m)
    t.is(status, 0)
  }
  t.is(sh('file-cat a | pmem-select --stream nowhere > out.frames').status, 65)
  t.is(sh('raw-sink -t out < out.frames').status, 3)
})

test('an input that was cut stays cut, whatever is selected', (t) => {
  const cut = 'file-cat a large | head -c 100000'
  t.is(sh(`${cut} | pmem-select --stream nowhere > out.frames`).status, 3)
  t.is(sh(`${cut} | pmem-select --stream a > out.frames`).status, 3)
  t.regex(sh('pmem-frames < out.frames').stdout, /END .*"truncated"/)
})

test('ranges of a file reach a sink as an image whose rest is unknown', (t) => {
  const selected = sh(
    'file-cat large | pmem-compress zlib | pmem-select --range 0x100-0x200 --range 1k+9 | raw-sink out.raw',
  )
  t.is(selected.status, 0, selected.stderr)
  const { stdout } = sh(
    'cmp -n 256 -i 256 large out.raw; cmp -n 9 -i 1024 large out.raw; stat -c %s out.raw; head -c 14 out.raw',
  )
  t.is(stdout, '300000\nUNKNOWNUNKNOWN')
})

test('nothing to select is a usage error, and so is a part of what a volume lacks', (t) => {
  for (const words of ['', '--missing-from a.aff4 --stream a', '--missing-from a.aff4 --range 0-1']) {
    const { status, stderr } = sh(`pmem-select ${words} < /dev/null`)
    t.is(status, 64)
    t.regex(stderr, /^pmem-select: .*\nhint: usage: /)
  }
})
