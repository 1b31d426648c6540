import { readFileSync } from 'node:fs'
import test from 'ava'
import { openElfImage } from '../../../src/formats/elf/elf-image.js'
import type { FormatError } from '../../../src/formats/format-error.js'
import type { Hole, Image } from '../../../src/formats/image/image.js'
import { applyMap, readMapBeside, withMap } from '../../../src/formats/image/image-map.js'
import { encodeMapfile, type MapBlock } from '../../../src/formats/mapfile.js'
import { bufferSource } from '../buffer-source.js'
import { surroundingsOf } from './surroundings.js'

/** Blocks of pages, one behind the other: `+2-1` is two that were read and one that could not be. */
function blocksOf(text: string): MapBlock[] {
  let start = 0n
  return [...text.matchAll(/([-+?*/])(\d+)/g)].map(([, status, pages]) => {
    const length = BigInt(pages!) * 0x1000n
    start += length
    return { start: start - length, length, status: status as MapBlock['status'] }
  })
}

/** Pages 1, 2 and 5. */
const memory = async () => openElfImage(bufferSource(readFileSync('test/data/images/t.elf')))
const runsOf = ({ runs }: Image) =>
  runs.map(({ start, length }) => [Number(start >> 12n), Number(length >> 12n)])
const holesOf = ({ holes }: Image) =>
  holes.map(({ start, length, content }: Hole) => [Number(start >> 12n), Number(length >> 12n), content])

test('what could not be read is a hole, whether the image fills it or leaves it out', async (t) => {
  const image = applyMap(await memory(), blocksOf('?1+1-3+1-2'))
  t.deepEqual(runsOf(image), [
    [1, 1],
    [5, 1],
  ])
  t.deepEqual(holesOf(image), [
    [2, 3, 'unreadable'],
    [6, 2, 'unreadable'],
  ])
  t.is(image.size, 0x8000n)
})

test('several unreadable blocks around one run, and one around several', async (t) => {
  t.deepEqual(holesOf(applyMap(await memory(), blocksOf('-1+2-1?1+1'))), [
    [0, 1, 'unreadable'],
    [3, 1, 'unreadable'],
  ])
  const none = applyMap(await memory(), blocksOf('-8'))
  t.deepEqual(runsOf(none), [])
  t.deepEqual(
    holesOf(none).map(([start, length]) => [start, length]),
    [[0, 8]],
  )
})

test('memory that an image has left out is known to be unreadable where its map says so', async (t) => {
  const left: Hole = { start: 0x3000n, length: 0x2000n, content: 'unknown' }
  t.deepEqual(holesOf(applyMap({ ...(await memory()), holes: [left] }, blocksOf('?1+2?1-1+1'))), [
    [3, 1, 'unknown'],
    [4, 1, 'unreadable'],
  ])
})

test('a gap that was never tried is no part of a memory', async (t) => {
  const image = applyMap(await memory(), blocksOf('?1+2?2+1?9'))
  t.deepEqual(holesOf(image), [])
  t.is(image.size, 0x6000n)
})

/** The ELF core with this map beside it. */
const openWith = async (comment: string, text: string, status: '+' | '?' = '+') => {
  const map = encodeMapfile({ position: 0n, status, pass: 1, blocks: blocksOf(text) }, [comment])
  const beside = await readMapBeside(surroundingsOf('m.elf', { 'm.elf.map': map }))
  return withMap(await memory(), beside!)
}
const OURS = 'Mapfile. Created by pmem elf-sink 1.0'

test('a map of ours tells of addresses', async (t) => {
  t.deepEqual(runsOf(await openWith(OURS, '?1+1-1?2+1')), [
    [1, 1],
    [5, 1],
  ])
})

test('a map of more than the image holds is that of another one, and is refused', async (t) => {
  const error = await t.throwsAsync(openWith(OURS, '?1+2?2+2'), {
    message: /up to 28672, and the image ends at 24576/,
  })
  t.is((error as FormatError).hint, 'move it away if it is no map of the image')
})

test('an image whose map was not finished is a stump', async (t) => {
  t.is((await openWith(OURS, '?1+2?2+1')).incomplete, undefined)
  t.regex((await openWith(OURS, '?1+2?2+1', '?')).incomplete ?? '', /had not finished/)
})
