import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { tool as dump } from '../../src/volumes/ntfs-dump.js'
import { tool as exportTool } from '../../src/volumes/ntfs-export.js'
import { tool as stat } from '../../src/volumes/ntfs-stat.js'
import { edit } from '../formats/ntfs/images/editor.js'
import { image } from '../formats/ntfs/images/image.js'
import { indexEntries } from '../formats/ntfs/images/index-entries.js'
import { icat } from '../formats/ntfs/images/peers.js'
import { runSource } from '../sources/collect.js'
import { tell } from './ntfs/run.js'
import { list, listJson } from './ntfs-ls-run.js'

test('a file in use whose directory does not list it is listed, shown and read below $Orphan', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-ntfs-lost-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'image')
  const editor = edit(await image('small'))
  const record = editor.record('size-4096')
  const entries = indexEntries(editor, record, 'size-4096')
  t.true(entries.length > 0)
  for (const entry of entries) entry.writeUInt16LE(77, 6)
  writeFileSync(file, editor.bytes)

  t.false((await list('-r', file)).text.includes(`${record}-1 `))
  const all = await listJson('-r', '-l', '--deleted', file)
  t.is(all.find((entry) => entry.path === 'size-4096')!.state, 'reallocated')
  const [lost, ...others] = all.filter(({ source }) => source === 'lost')
  t.deepEqual(others, [])
  t.like(lost, { path: '$Orphan/size-4096', record, state: 'lost' })
  t.regex(
    (await list('--deleted', file, '$Orphan')).text,
    new RegExp(`^${record}-1 +r  .* \\$Orphan/size-4096$`, 'm'),
  )
  const body = (await list('--deleted', '--bodyfile', file, '$Orphan')).text
  t.regex(body, new RegExp(`^0\\|/\\$Orphan/size-4096\\|${record}-128-\\d+\\|`, 'm'))

  const bytes = icat(file, record)
  t.is(bytes.length, 4096)
  const { streams, status } = await runSource('ntfs-cat', ['--deleted', file, '$Orphan/SIZE-4096'])
  t.is(status, 0)
  t.deepEqual(Buffer.from(streams[0]!.data[0]!.bytes), bytes)
  const out = path.join(folder, 'out')
  const exported = await tell(exportTool, '--json', '--deleted', file, '$orphan/size-4096', '-C', out)
  t.is(exported.status, 0)
  t.deepEqual(readFileSync(JSON.parse(exported.stdout).file), bytes)
  const shown = await tell(stat, '--json', '--deleted', file, '$Orphan/size-4096')
  t.is(JSON.parse(shown.stdout).record, record)
  t.is((await tell(dump, '--deleted', file, '$Orphan/size-4096')).status, 0)
  const { messages, status: refused } = await tell(dump, file, '$Orphan/size-4096')
  t.is(refused, 65)
  t.deepEqual(messages, ['$Orphan holds deleted and lost files, which are not looked for', 'say --deleted'])
})

test('where the record of the root is lost, files are read by their records and exported from $Orphan', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-ntfs-lost-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'image')
  const { bytes, place, record } = edit(await image('small'))
  bytes.fill(0, place(5), place(6))
  writeFileSync(file, bytes)

  const expected = icat((await image('small')).file, record('size-4096'))
  const { streams, status } = await runSource('ntfs-cat', [file, String(record('size-4096'))])
  t.is(status, 0)
  t.deepEqual(Buffer.from(streams[0]!.data[0]!.bytes), expected)
  const out = path.join(folder, 'out')
  const exported = await tell(exportTool, '--deleted', file, '$Orphan', '-C', out)
  t.is(exported.status, 0, exported.messages.join())
  t.deepEqual(readFileSync(path.join(out, '$Orphan/size-4096')), expected)
  t.true(statSync(path.join(out, '$Orphan/streams/folder')).isDirectory())
  const { status: refused, messages } = await tell(exportTool, file, '$Orphan', '-C', out)
  t.is(refused, 65)
  t.deepEqual(messages, ['$Orphan holds deleted and lost files, which are not looked for', 'say --deleted'])
})
