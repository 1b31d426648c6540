import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { openChunkReader } from '../../src/codecs/chunk-reader.js'
import { chunkContent } from '../../src/frames/chunk-content.js'
import { eachChunk, isRun } from '../../src/frames/chunk-run.js'
import type { Batch, Frame } from '../../src/frames/frame.js'
import { createOutbox } from '../../src/sources/outbox.js'
import { readRun } from '../../src/sources/read-run.js'
import type { Medium } from '../../src/sources/salvage.js'
import { createStreamFrames } from '../../src/sources/stream-frames.js'
import { noise, sample } from '../codecs/samples.js'

const MIB = 1 << 20
const CHUNK = 32 << 10
const PAGE = 4096

const content = Buffer.concat([
  sample('text', 3 * MIB),
  sample('zero', 2 * MIB),
  noise(2 * MIB),
  sample('mixed', 5 * MIB + 999),
])

interface Damage {
  /** Pages that nobody can read. */
  readonly pages?: readonly number[]
  /** Where the file ends. */
  readonly size?: number
}

/** Reads a file by threads. They meet the damage as a place where there is no file. */
function setUp(t: ExecutionContext, { pages = [], size = content.length }: Damage = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pmem-test-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  fs.writeFileSync(path.join(folder, 'file'), content.subarray(0, size))
  const fd = fs.openSync(path.join(folder, 'file'), 'r')
  t.teardown(() => fs.closeSync(fd))
  const reader = openChunkReader('snappy', CHUNK)
  t.teardown(reader.close)
  const bad = (from: number, length: number) =>
    pages.some((page) => page * PAGE < from + length && (page + 1) * PAGE > from)
  const medium: Medium = {
    read(address, length, slab) {
      if (bad(Number(address), length)) throw Object.assign(new Error('i/o error'), { code: 'EIO' })
      return slab.subarray(0, fs.readSync(fd, slab, 0, length, address))
    },
    place: (position, length) => ({ fd: bad(Number(position), length) ? 1 << 20 : fd, position }),
    unit: PAGE,
    retries: 0,
    isDamage: () => true,
  }
  const outbox = createOutbox(1)
  const frames = createStreamFrames(outbox, 1, 'test')
  return { outbox, frames, medium, reader }
}

/** The bytes that frames stand for, zeros where there are none; frames must follow one another. */
function bytesOf(frames: readonly Frame[], bytes: Buffer, from: number): number {
  let next = from
  for (const frame of frames) {
    if (frame.type === 'note') continue
    if (frame.type !== 'data' && frame.type !== 'fill') throw new Error(frame.type)
    if (Number(frame.offset) !== next) throw new Error(`${frame.offset} comes after ${next}`)
    if (frame.type === 'data')
      for (const chunk of isRun(frame) ? eachChunk(frame) : [frame])
        bytes.set(chunkContent(chunk, CHUNK), Number(chunk.offset))
    next += Number(frame.length)
  }
  return next
}

async function readAll(
  given: ReturnType<typeof setUp>,
  interrupted?: AbortSignal,
  onBatch = (_: Batch) => {},
) {
  const bytes = Buffer.alloc(content.length)
  const fills: [string, number, number][] = []
  let end = 0
  function take(batch: Batch): void {
    onBatch(batch)
    end = bytesOf(batch, bytes, end)
    for (const frame of batch)
      if (frame.type === 'fill') fills.push([frame.fill, Number(frame.offset), Number(frame.length)])
  }
  const reading = readRun(
    { ...given, ...(interrupted && { interrupted }) },
    { start: 0n, length: BigInt(content.length) },
  )
  for (;;) {
    const step = await reading.next()
    if (step.done) {
      take(given.outbox.take())
      return { reach: step.value, bytes, end, unreadable: fills.filter(([kind]) => kind === 'unreadable') }
    }
    take(step.value)
  }
}

test('a run comes as chunks, in order, each where it belongs', async (t) => {
  const given = setUp(t)
  let runs = 0
  const { bytes, end, reach } = await readAll(given, undefined, (batch) => {
    for (const frame of batch) if (frame.type === 'data' && isRun(frame)) runs++
  })
  t.true(runs >= 10)
  t.true(bytes.equals(content))
  t.is(end, content.length)
  t.deepEqual(reach, { end: BigInt(content.length) })
  t.is(given.frames.tally.covered, BigInt(content.length))
  t.is(given.frames.tally.read, BigInt(content.length))
})

test('pages that cannot be read amid a megabyte cost themselves only', async (t) => {
  const pages = [7, 300, 301, 1030, 2047, 2048, 3071]
  const { bytes, end, unreadable } = await readAll(setUp(t, { pages }))
  const expected = Buffer.from(content)
  for (const page of pages) expected.fill(0, page * PAGE, (page + 1) * PAGE)
  t.true(bytes.equals(expected))
  t.is(end, content.length)
  t.is(
    unreadable.reduce((sum, [, , length]) => sum + length, 0),
    pages.length * PAGE,
  )
})

test('a file that ends before its time is read to its end, and no further', async (t) => {
  for (const size of [7 * MIB + 5, 5 * MIB, 1]) {
    const { bytes, end, reach } = await readAll(setUp(t, { size }))
    t.is(end, size)
    t.deepEqual(reach, { end: BigInt(size) })
    t.true(bytes.subarray(0, size).equals(content.subarray(0, size)))
  }
})

test('an interruption ends the reading between two reads, with what came before', async (t) => {
  const stop = new AbortController()
  const { bytes, end } = await readAll(setUp(t), stop.signal, (batch) => {
    if (batch.some((frame) => frame.type === 'data' && frame.offset >= BigInt(MIB))) stop.abort()
  })
  t.true(end >= 2 * MIB && end < content.length)
  t.true(bytes.subarray(0, end).equals(content.subarray(0, end)))
})

test('what fails in a thread ends the reading, as its own error', async (t) => {
  const given = setUp(t)
  const failing = { ...given.reader, read: () => Promise.reject(new Error('a thread ended')) }
  await t.throwsAsync(readAll({ ...given, reader: failing }), { message: 'a thread ended' })
})
