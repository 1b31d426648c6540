import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Tool } from '../../src/cli/tool.js'
import { tool as dump } from '../../src/volumes/ntfs-dump.js'
import { tool as exportTool } from '../../src/volumes/ntfs-export.js'
import { tool as ls } from '../../src/volumes/ntfs-ls.js'
import { tool as stat } from '../../src/volumes/ntfs-stat.js'
import { tool as usn } from '../../src/volumes/ntfs-usn.js'
import { fls, icat, istat } from '../formats/ntfs/images/peers.js'
import { BLOCK, makeShadowVolume } from '../formats/ntfs/shadow-copies/shadow-maker.js'
import { scratch } from '../sinks/pipeline.js'
import { runSource } from '../sources/collect.js'
import { journalVolume } from './ntfs/journal-volume.js'
import { tell } from './ntfs/run.js'

/** A volume that has been changed since its shadow copy was made, and the copy as libvshadow reads it. */
async function changedVolume(t: ExecutionContext) {
  const folder = await scratch(t)
  const before = await journalVolume(t)
  const write = (text: string, name: string) => {
    writeFileSync(path.join(folder, 'content'), text)
    execFileSync('ntfscp', ['-f', '-q', before, path.join(folder, 'content'), name])
  }
  write('as it was '.repeat(2000), '/kept.txt')
  write('gone soon', '/gone.txt')
  const then = readFileSync(before)
  write('as it is now '.repeat(2000), '/kept.txt')
  write('new', '/new.txt')
  const now = readFileSync(before)
  // A record of the journal that was there then.
  const at = now.indexOf(Buffer.from('f.txt', 'utf16le'), now.indexOf(Buffer.from('old', 'utf16le')))
  now.write('F.TXT', at, 'utf16le')
  const blocks = Math.ceil(now.length / BLOCK)
  const shadow = makeShadowVolume({ blocks, area: 80 }, then)
  shadow.snapshot()
  for (let block = 0; block < blocks; block++) {
    const bytes = now.subarray(block * BLOCK, (block + 1) * BLOCK)
    if (!bytes.equals(then.subarray(block * BLOCK, (block + 1) * BLOCK))) shadow.write(block, bytes)
  }
  const volume = path.join(folder, 'volume')
  writeFileSync(volume, shadow.finish())
  const copy = path.join(folder, 'copy')
  execFileSync('/usr/bin/python3', ['test/formats/ntfs/shadow-copies/read-shadow.py', volume, copy])
  return { folder, volume, copy }
}

test('every tool reads a shadow copy as it reads a volume with the same bytes, and as others read that', async (t) => {
  const { folder, volume, copy } = await changedVolume(t)
  const same = async (
    tool: Tool,
    words: readonly string[],
    differs: (text: string) => string = (text) => text,
  ) => {
    const ours = await tell(tool, '--snapshot', '1', volume, ...words)
    const plain = await tell(tool, copy, ...words)
    t.is(ours.status, 0, ours.messages.join())
    t.deepEqual(differs(ours.stdout), differs(plain.stdout), `${tool.name} ${words.join(' ')}`)
    t.not((await tell(tool, volume, ...words)).stdout, ours.stdout, `${tool.name} of the volume as it is`)
    return ours.stdout
  }
  const listed = await same(ls, ['-r', '-l', '--json', '--deleted'])
  const paths = new Map(
    listed
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { path: string; record: number })
      .map((entry) => [entry.path, entry.record]),
  )
  for (const { record, pathBytes, deleted } of fls(copy))
    if (!deleted && !/[:]|^\$OrphanFiles/.test(pathBytes)) t.is(paths.get(pathBytes), record, pathBytes)
  t.true(paths.has('gone.txt'))
  t.false(paths.has('new.txt'))

  const record = paths.get('kept.txt')!
  const content = icat(copy, record)
  t.true(content.toString().startsWith('as it was'))
  const { streams, status } = await runSource('ntfs-cat', ['--snapshot', '1', volume, 'kept.txt'])
  t.is(status, 0)
  t.deepEqual(Buffer.concat(streams[0]!.data.map(({ bytes }) => bytes)), content)

  const facts = JSON.parse(
    await same(stat, ['--json', 'kept.txt'], (text) =>
      JSON.stringify({ ...JSON.parse(text), volume: undefined }),
    ),
  ) as { sequence: number; standardInformation: { modified: string } }
  t.is(facts.sequence, istat(copy, record).sequence)
  await same(dump, ['kept.txt'])
  await same(dump, ['--record', 'kept.txt'])
  const story = await same(usn, ['--json'])
  t.true(story.includes('"name":"f.txt"'))

  const out = path.join(folder, 'out')
  const exported = await tell(exportTool, '--snapshot', '1', volume, 'kept.txt', 'docs', '-C', out)
  t.is(exported.status, 0)
  t.deepEqual(readFileSync(path.join(out, 'kept.txt')), content)
  t.is(readFileSync(path.join(out, 'docs/new/f.txt'), 'latin1'), 'f')

  for (const tool of [ls, stat, usn]) {
    const { status, messages } = await tell(tool, '--snapshot', '2', volume)
    t.is(status, 65, tool.name)
    t.regex(messages.join(), /no shadow copy 2/)
  }
})

test('where the shadow copies lie on another volume, that is said, and not that there are none', async (t) => {
  const { volume } = await changedVolume(t)
  const bytes = readFileSync(volume)
  // The GUID of the volume that stores them.
  bytes.fill(0xbb, 0x1e00 + 80, 0x1e00 + 96)
  writeFileSync(volume, bytes)
  const { status, messages } = await tell(ls, '--snapshot', '1', volume)
  t.is(status, 65)
  t.regex(messages[0]!, /the shadow copies are on another volume, bbbbbbbb-bbbb-.*, and are not read$/)
  t.regex(messages[1]!, /no shadow copy 1$/)
  t.is(messages[2], 'what the volume keeps of any cannot be read')
})
