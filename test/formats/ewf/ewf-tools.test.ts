import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { openImageFile } from '../../../src/formats/image/image-file.js'
import { openImage } from '../../../src/formats/image/open-image.js'
import { PATIENCE } from '../../cli/shell.js'
import { list } from '../../volumes/ntfs-ls-run.js'
import { readRuns } from '../image/surroundings.js'
import { image as ntfsImage } from '../ntfs/images/image.js'
import { fls, icat } from '../ntfs/images/peers.js'
import { type EwfMaker, makeEwf } from './ewf-maker.js'

const folder = mkdtempSync(path.join(tmpdir(), 'pmem-ewf-'))
test.after.always(() => rmSync(folder, { recursive: true }))
const at = (name: string) => path.join(folder, name)
const digest = (algorithm: string, bytes: Buffer) => createHash(algorithm).update(bytes).digest('hex')

function run(program: string, words: readonly string[], input?: Buffer): string {
  const { status, stdout, stderr, error } = spawnSync(program, words, {
    ...PATIENCE,
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  if (error) throw error
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: exit ${status}: ${stderr}${stdout}`)
  return stdout
}

/** Some chunks of text, of bytes that do not compress, and of zeros. */
const media = Buffer.concat(
  Array.from({ length: 40 }, (_, index) => {
    if (index % 3 === 0) return Buffer.alloc(65536, `text ${index} `)
    if (index % 3 === 1) return Buffer.alloc(65536)
    const noise = Buffer.alloc(65536)
    for (let i = 0; i < noise.length; i += 32)
      createHash('sha256').update(`${index} ${i}`).digest().copy(noise, i)
    return noise
  }),
)

const CASE = ['-C', 'case 7', '-E', '7/1', '-D', 'a disk', '-e', 'Jane Roe', '-N', 'as found']
for (const [form, compression, first] of [
  ['encase6', 'fast', 'E01'],
  ['encase5', 'none', 'E01'],
  ['encase4', 'best', 'E01'],
  ['encase2', 'fast', 'E01'],
  ['ftk', 'fast', 'E01'],
  ['linen5', 'empty-block', 'E01'],
  ['linen6', 'none', 'E01'],
  ['ewfx', 'fast', 'e01'],
] as const)
  test(`what ewfacquirestream writes as ${form} is read: the medium, its digests, the case`, async (t) => {
    const words = ['-q', '-f', form, '-c', compression, '-S', '1MiB', '-d', 'sha1', ...CASE, '-t', at(form)]
    run('ewfacquirestream', words, media)
    const image = await openImageFile(at(`${form}.${first}`))
    t.true(Buffer.concat(await readRuns(image, 0x30001)).equals(media))
    t.is(image.incomplete, undefined)
    const sums = Object.fromEntries(image.digests.map(({ algorithm, value }) => [algorithm, value]))
    t.is(sums.md5, digest('md5', media))
    if ('sha1' in sums) t.is(sums.sha1, digest('sha1', media))
    t.like(image.facts, {
      caseNumber: 'case 7',
      evidenceNumber: '7/1',
      description: 'a disk',
      examiner: 'Jane Roe',
      caseNotes: 'as found',
    })
    await image.close()
  })

test('what libewf verifies in each form of the format is what is read', async (t) => {
  const deflates = (chunk: number) => chunk % 4 !== 2
  for (const form of ['smart', 'encase1', 'encase5', 'encase6'] as const) {
    const made: EwfMaker = { stem: form, form, chunksPerTable: 16, tablesPerSegment: 2, deflates }
    const names = Object.entries(makeEwf(media, made)).map(([name, bytes]) => {
      // libewf knows SMART by small letters only.
      const file = at(form === 'smart' ? name.replace('.S', '.s') : name)
      writeFileSync(file, bytes)
      return file
    })
    t.regex(run('ewfverify', ['-q', names[0]!]), /ewfverify: SUCCESS/)
    const image = await openImageFile(names[0]!)
    t.true(Buffer.concat(await readRuns(image)).equals(media), form)
    t.is(image.variant, form === 'smart' ? 'S01' : 'E01')
    await image.close()
  }
})

test('sectors that libewf lists as unreadable are those that are holes', async (t) => {
  const errors = [
    { firstSector: 10, sectors: 6 },
    { firstSector: 640, sectors: 64 },
  ]
  const [[name, bytes]] = Object.entries(makeEwf(media, { stem: 'errors', errors })) as [[string, Buffer]]
  writeFileSync(at(name), bytes)
  const listed = [...run('ewfinfo', ['-e', at(name)]).matchAll(/at sector\(s\): (\d+) - (\d+)/g)]
  const image = await openImageFile(at(name))
  t.deepEqual(
    image.holes.map(({ start, length }) => [start / 512n, (start + length) / 512n - 1n]),
    listed.map(([, from, to]) => [BigInt(from!), BigInt(to!)]),
  )
  await image.close()
})

test('an NTFS volume in an E01 lists and reads as it does outside, and as The Sleuth Kit reads it there', async (t) => {
  const { file, manifest } = await ntfsImage('small')
  run('ewfacquirestream', ['-q', '-S', '1MiB', '-M', 'logical', '-t', at('volume')], readFileSync(file))
  const e01 = at('volume.E01')
  const [outside, inside] = [await list('-r', file), await list('-r', e01)]
  t.is(inside.status, 0)
  t.deepEqual(inside.messages, outside.messages)
  t.is(inside.text, outside.text)
  t.deepEqual(fls(e01, '-i', 'ewf'), fls(file))

  const medium = await openImage(e01)
  const volume = readFileSync(file)
  t.is(medium.size, BigInt(volume.length))
  t.true(volume.subarray(0x3001, 0x9003).equals(await medium.read(0x3001n, 0x6002)))
  await medium.close()
  const { record } = manifest.files.find(({ directory }) => !directory)!
  t.true(icat(e01, record, '-i', 'ewf').equals(icat(file, record)))
})

test('an NTFS volume in an E01 without its second segment is read as far as it goes, and says so', async (t) => {
  const { file } = await ntfsImage('small')
  run('ewfacquirestream', ['-q', '-c', 'none', '-S', '1MiB', '-t', at('cut')], readFileSync(file))
  renameSync(at('cut.E02'), at('elsewhere'))
  const { messages } = await list(at('cut.E01'))
  t.regex(messages.join('\n'), /missing: .*cut\.E02/)
})
