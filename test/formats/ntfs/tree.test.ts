import test from 'ava'
import fc from 'fast-check'
import { scanDeleted } from '../../../src/formats/ntfs/deleted.js'
import { carveDirectory } from '../../../src/formats/ntfs/directory-slack.js'
import { findTarget } from '../../../src/formats/ntfs/find-target.js'
import { NtfsError } from '../../../src/formats/ntfs/finding.js'
import { createPathFinder, pathsOf } from '../../../src/formats/ntfs/parent-path.js'
import { parseTarget } from '../../../src/formats/ntfs/path.js'
import { walkTree } from '../../../src/formats/ntfs/tree.js'
import type { NtfsVolume } from '../../../src/formats/ntfs/volume.js'
import { nestDirectories } from './nested-volume.js'
import { makeVolume, openImage, recordAt, rootBlocksAt } from './small-volume.js'

const names = Array.from({ length: 30 }, (_, at) => `a file with number ${at}.txt`)
const files = Object.fromEntries(names.map((name) => [name, name]))

async function walk(volume: NtfsVolume): Promise<string[]> {
  const paths: string[] = []
  for await (const { path, entries } of walkTree(volume, await volume.file(5)))
    paths.push(...entries.map(({ name }) => [...path, name].join('/')))
  return paths
}

test('a tree is walked from the root down, each directory before what it holds', async (t) => {
  const { bytes } = makeVolume(t, files)
  const { volume, messages } = await openImage(bytes)
  const paths = await walk(volume)
  t.deepEqual(messages, [])
  for (const path of [...names, '$MFT', '$Extend', '$Extend/$ObjId', '$Extend/$Quota', '$Extend/$Reparse'])
    t.is(paths.filter((one) => one === path).length, 1, path)
  t.true(paths.indexOf('$Extend') < paths.indexOf('$Extend/$ObjId'))
  t.false(paths.includes('.'))
})

test('a directory that stands below itself is listed once', async (t) => {
  const { bytes } = makeVolume(t, {})
  const record = await recordAt(bytes, 11)
  let at = record + bytes.readUInt16LE(record + 20)
  while (bytes.readUInt32LE(at) !== 0x90) at += bytes.readUInt32LE(at + 4)
  const entry = at + bytes.readUInt16LE(at + 20) + 32
  bytes.writeUIntLE(5, entry, 6)
  bytes.writeUInt16LE(5, entry + 6)
  bytes.writeUInt32LE(0x10000006, entry + 16 + 56)
  const { volume, messages } = await openImage(bytes)
  const paths = await walk(volume)
  t.is(paths.filter((path) => path.endsWith('$MFT')).length, 1)
  t.deepEqual(messages, ['$Extend/$ObjId: the directory with record 5 has been listed elsewhere'])
})

test('random damage to records and indexes ends in findings and refusals', async (t) => {
  const { bytes } = makeVolume(t, files)
  const places = [await recordAt(bytes, 5), await recordAt(bytes, 11), await recordAt(bytes, 64)]
  const blocks = await rootBlocksAt(bytes)
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 10,
  })
  await fc.assert(
    fc.asyncProperty(damage, async (changes) => {
      const undo: [number, number][] = []
      for (const [which, within, value] of changes) {
        const all = [...places, ...blocks]
        const start = all[which % all.length]!
        const at = start + (within % (which % all.length < places.length ? 1024 : 4096))
        undo.push([at, bytes[at]!])
        bytes[at] = value
      }
      try {
        const { volume } = await openImage(bytes)
        await walk(volume).catch(expectRefusal)
        for (const name of names.slice(0, 3)) await findTarget(volume, parseTarget(name)).catch(expectRefusal)
        for await (const _ of carveDirectory(volume, await volume.file(5)));
        for await (const _ of scanDeleted(volume));
      } catch (error) {
        expectRefusal(error)
      } finally {
        for (const [at, value] of undo.reverse()) bytes[at] = value
      }
    }),
    { numRuns: 150 },
  )
  t.pass()
})

function expectRefusal(error: unknown): void {
  if (!(error instanceof NtfsError)) throw error
}

test('directories below one another without end are listed as far as a path goes, and the rest is told', async (t) => {
  const { bytes } = makeVolume(t, {})
  const nested = nestDirectories(bytes, 200, (depth) => String(depth % 10).repeat(255))
  const { volume, messages } = await openImage(nested)
  let deepest = 0
  let whole = true
  for await (const { path, end } of walkTree(volume, await volume.file(5))) {
    deepest = Math.max(deepest, path.length)
    if (end && !end.whole) whole = false
  }
  t.is(deepest, 128)
  t.false(whole)
  t.is(messages.length, 1)
  t.regex(messages[0]!, /^….*record 191 is longer than 32767 characters; what it holds is not listed$/)
})

test('the path of a file 3,000 directories below the root is found', async (t) => {
  const { bytes } = makeVolume(t, {})
  const { volume } = await openImage(nestDirectories(bytes, 3000, (depth) => `${depth % 7}`))
  const [path] = await pathsOf(await volume.file(64 + 2999), createPathFinder(volume))
  t.is(path!.state, 'live')
  t.is(path!.names.length, 3000)
})
