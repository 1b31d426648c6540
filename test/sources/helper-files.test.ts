import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { LOCAL_FILES } from '../../src/platform/system-files.js'
import { captureFiles, helperStreams } from '../../src/sources/helper-files.js'
import { collect, type Received } from './collect.js'

const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-helpers-'))
test.after.always(() => fs.rmSync(folder, { recursive: true }))

const contentOf = (stream: Received) =>
  Buffer.concat(stream.data.map(({ bytes }) => bytes)).toString('latin1')

test('pseudo-files are captured to their end though their size says 0', async (t) => {
  const captured = await captureFiles(LOCAL_FILES, ['/proc/version', '/proc/cpuinfo'])
  const { streams, notes } = await collect(helperStreams(LOCAL_FILES, captured, [], 5, 'test'))
  t.deepEqual(notes, [])
  t.deepEqual(
    streams.map(({ body, close }) => [body.name, body.kind, close?.status]),
    [
      ['/proc/version', 'image', 'complete'],
      ['/proc/cpuinfo', 'image', 'complete'],
    ],
  )
  t.is(contentOf(streams[0]!), fs.readFileSync('/proc/version', 'latin1'))
  t.regex(streams[0]!.turtle, /aff4:FileImage.*aff4:originalFileName "\/proc\/version"/s)
  t.notRegex(streams[0]!.turtle, /aff4:Image/)
})

test('what is not there is told and leaves no stream', async (t) => {
  const absent = path.join(folder, 'absent')
  const { streams, notes } = await collect(
    helperStreams(LOCAL_FILES, await captureFiles(LOCAL_FILES, [absent]), [`${absent}-too`], 1, 'test'),
  )
  t.is(streams.length, 0)
  t.deepEqual(
    notes.map(({ level, message }) => [level, message]),
    [
      ['info', `${absent}: no such file or directory`],
      ['info', `${absent}-too: no such file or directory`],
    ],
  )
})

test('a file that lasts is read after the memory, larger than a block', async (t) => {
  const file = path.join(folder, 'vmlinuz')
  fs.writeFileSync(file, Buffer.alloc(2_500_000, 'kernel'))
  const { streams } = await collect(helperStreams(LOCAL_FILES, [], [file], 1, 'test'))
  t.is(contentOf(streams[0]!), fs.readFileSync(file, 'latin1'))
  t.is(streams[0]!.close?.bytes, 2_500_000)
})

test('what was too large to keep closes as failed', async (t) => {
  const { streams } = await collect(
    helperStreams(
      LOCAL_FILES,
      [{ path: '/proc/modules', bytes: Buffer.from('x'), cut: true }],
      [],
      1,
      'test',
    ),
  )
  t.is(streams[0]!.close?.status, 'failed')
  t.regex(streams[0]!.close!.error!, /^only the first/)
})
