import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { FormatError } from '../../../src/formats/format-error.js'
import { openImageFile } from '../../../src/formats/image/image-file.js'
import { encodeMapfile, type MapBlock } from '../../../src/formats/mapfile.js'
import {
  cut,
  data,
  fill,
  hex,
  memory,
  ranges,
  runTool,
  scratch,
  stream,
  transmission,
} from '../../sinks/pipeline.js'
import { readRuns } from './surroundings.js'

const PAGE = 0x1000
const A = Buffer.alloc(PAGE, 'A')
const B = Buffer.alloc(PAGE, 'B')
const body = memory({ size: hex(0x9000), ranges: ranges([0x1000n, 0x4000n], [0x7000n, 0x1800n]) })
const frames = [
  data(0x1000n, A),
  fill(0x2000n, 0x1000n, 'zero'),
  fill(0x3000n, 0x1000n, 'unreadable'),
  data(0x4000n, B),
  data(0x7000n, A),
  fill(0x8000n, 0x800n, 'unknown'),
]

for (const holes of ['write', 'seek', 'skip'])
  test(`what raw-sink --holes ${holes} writes reads back with its ranges, holes and bytes`, async (t) => {
    const out = path.join(await scratch(t), 'memory.raw')
    t.is((await runTool('raw-sink', ['--holes', holes, out], transmission(stream(body, frames)))).status, 2)
    const image = await openImageFile(out)
    t.teardown(() => image.close())
    t.is(image.category, 'memory:physical')
    t.deepEqual(image.runs, [
      { start: 0x1000n, length: 0x2000n },
      { start: 0x4000n, length: 0x1000n },
      { start: 0x7000n, length: 0x1000n },
    ])
    t.deepEqual(image.holes, [
      { start: 0x3000n, length: 0x1000n, content: 'unreadable' },
      { start: 0x8000n, length: 0x800n, content: 'unknown' },
    ])
    t.deepEqual(await readRuns(image), [Buffer.concat([A, Buffer.alloc(PAGE)]), B, A])
    t.is(image.size, 0x9000n)
    t.is(image.incomplete, undefined)
  })

for (const holes of ['write', 'skip'])
  test(`what raw-sink --holes ${holes} left of an input that was cut is a stump`, async (t) => {
    const folder = await scratch(t)
    await runTool(
      'raw-sink',
      ['--holes', holes, path.join(folder, 'memory.raw')],
      cut(body, frames.slice(0, 2)),
    )
    const image = await openImageFile(path.join(folder, 'memory.partial.raw'))
    t.teardown(() => image.close())
    t.deepEqual(image.runs, [{ start: 0x1000n, length: 0x1000n }])
    t.deepEqual(await readRuns(image), [A])
    t.regex(image.incomplete ?? '', /had not finished/)
  })

test('a disk with bad sectors that ddrescue copied reads with what it could not read', async (t) => {
  const folder = await scratch(t)
  const [disk, bad, image] = ['disk', 'bad', 'disk.img'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ]
  const content = randomBytes(0x40000)
  fs.writeFileSync(disk, content)
  const blocks: MapBlock[] = [
    { start: 0n, length: 0x10000n, status: '+' },
    { start: 0x10000n, length: 0x400n, status: '-' },
    { start: 0x10400n, length: 0x2fc00n, status: '+' },
  ]
  fs.writeFileSync(bad, encodeMapfile({ position: 0n, status: '+', pass: 1, blocks }))
  execFileSync('ddrescue', ['-q', `--test-mode=${bad}`, disk, image, `${image}.map`])
  const opened = await openImageFile(image)
  t.teardown(() => opened.close())
  t.is(opened.size, 0x40000n)
  t.deepEqual(opened.holes, [{ start: 0x10000n, length: 0x400n, content: 'unreadable' }])
  t.deepEqual(await readRuns(opened), [content.subarray(0, 0x10000), content.subarray(0x10400)])
})

test('what ddrescue never tried of a disk is unknown, each of its ways to fail unreadable, at its end, too', async (t) => {
  const image = path.join(await scratch(t), 'disk.img')
  fs.writeFileSync(image, Buffer.alloc(0x6000, 'x'))
  const blocks: MapBlock[] = (['+', '-', '*', '/', '?', '+', '-'] as const).map((status, i) => ({
    start: BigInt(i * PAGE),
    length: BigInt(PAGE),
    status,
  }))
  fs.writeFileSync(`${image}.map`, encodeMapfile({ position: 0n, status: '?', pass: 1, blocks }))
  const opened = await openImageFile(image)
  t.teardown(() => opened.close())
  t.deepEqual(
    opened.holes.map(({ content }) => content),
    ['unreadable', 'unreadable', 'unreadable', 'unknown', 'unreadable'],
  )
  t.is(opened.runs.length, 2)
  t.is(opened.size, 0x7000n)
  t.is(opened.incomplete, undefined)
  t.regex(opened.remarks.join(), /had not finished/)
})

test('a map whose sizes are not those of the image is refused', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'memory.raw')
  for (const holes of ['write', 'skip']) {
    await runTool('raw-sink', ['-t', '--holes', holes, out], transmission(stream(body, frames)))
    const whole = fs.readFileSync(out)
    for (const wrong of [Buffer.concat([whole, A]), whole.subarray(0, -2 * PAGE)]) {
      fs.writeFileSync(out, wrong)
      const error = await t.throwsAsync(openImageFile(out), {
        instanceOf: FormatError,
        message: /memory\.raw\.map: tells of an image of \d+ bytes, and this one has \d+/,
      })
      t.is((error as FormatError).hint, 'move it away if it is no map of the image')
    }
  }
})

test('a map of joined ranges that has lost what says so is refused, not misread', async (t) => {
  const out = path.join(await scratch(t), 'memory.raw')
  await runTool('raw-sink', ['--holes', 'skip', out], transmission(stream(body, frames)))
  const map = fs.readFileSync(`${out}.map`, 'utf8')
  t.regex(map, /^# Layout: joined\. The image is the blocks marked \+, one behind the other\.$/m)
  fs.writeFileSync(`${out}.map`, map.replace(/^# Layout.*\n/m, ''))
  await t.throwsAsync(openImageFile(out), {
    message: /tells of an image of 36864 bytes, and this one has 16384/,
  })
})
