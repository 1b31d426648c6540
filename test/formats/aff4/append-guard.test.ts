import fs, {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  dropGuard,
  openAsItWas,
  readGuard,
  setGuard,
  undoAppend,
} from '../../../src/formats/aff4/append-guard.js'
import { openVolumeFile } from '../../../src/formats/aff4/volume-file.js'
import { createVolume } from '../../../src/formats/aff4/writer.js'
import { bufferSink } from '../buffer-sink.js'

async function volumeFile(t: ExecutionContext): Promise<{ name: string; bytes: Buffer }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'pmem-guard-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test' })
  await volume.segment(`${volume.urn}/file`, Buffer.from('what was there before'))
  await volume.finish()
  const name = path.join(folder, 'out.aff4')
  writeFileSync(name, sink.bytes())
  return { name, bytes: sink.bytes() }
}

test('a guarded volume reads as it was, whatever stands behind, and undo restores it bit for bit', async (t) => {
  const { name, bytes } = await volumeFile(t)
  const guard = await setGuard(name)
  t.is(guard.name, `${name}.append`)
  t.is(statSync(guard.name).mode & 0o777, 0o600)
  for (const tail of ['', 'PK\x03\x04 half a member', bytes]) {
    truncateSync(name, bytes.length)
    appendFileSync(name, tail)
    const volume = await openVolumeFile(name)
    t.truthy(volume.members.get('file'))
    t.regex(volume.warnings[0]!, new RegExp(`without ${tail.length} bytes that follow`))
    const { source } = await openAsItWas(name)
    t.is(source.size, BigInt(bytes.length))
    t.deepEqual(Buffer.from(await source.read(0n, bytes.length + 100)), bytes)
    t.is((await source.read(BigInt(bytes.length) + 5n, 10)).length, 0)
    await source.close()
  }
  t.deepEqual(await undoAppend(name), { length: BigInt(bytes.length), cut: BigInt(bytes.length) })
  t.deepEqual(readFileSync(name), bytes)
  t.false(existsSync(guard.name))
  t.deepEqual((await openVolumeFile(name)).warnings, [])
})

test('two appends at once: the second finds the guard of the first', async (t) => {
  const { name } = await volumeFile(t)
  const guard = await setGuard(name)
  await t.throwsAsync(setGuard(name), { code: 'EEXIST' })
  dropGuard(guard)
  t.is(await readGuard(name), undefined)
  await t.throwsAsync(undoAppend(name), { message: /no append to undo/ })
})

test('a guard that was not written whole stands for a volume to which nothing was appended yet', async (t) => {
  const { name, bytes } = await volumeFile(t)
  await setGuard(name)
  const whole = readFileSync(`${name}.append`)
  for (const length of [0, 4, 12, 30, whole.length - 1]) {
    const torn = Buffer.alloc(whole.length)
    whole.copy(torn, 0, 0, length)
    for (const guard of [torn, torn.subarray(0, length)]) {
      writeFileSync(`${name}.append`, guard)
      t.is((await readGuard(name))?.length, BigInt(bytes.length))
      t.truthy((await openVolumeFile(name)).members.get('file'))
      await undoAppend(name)
      t.deepEqual(readFileSync(name), bytes)
    }
  }
})

test('a guard of another volume, or of none, cuts nothing', async (t) => {
  const { name, bytes } = await volumeFile(t)
  await setGuard(name)
  const other = Buffer.from(bytes)
  other[bytes.length - 30]! ^= 1
  writeFileSync(name, other)
  t.false((await readGuard(name))!.fits)
  const { warnings } = await openAsItWas(name)
  t.regex(warnings[0]!, /speaks of another volume/)
  await t.throwsAsync(undoAppend(name), { message: /left as it is/ })
  t.deepEqual(readFileSync(name), other)
  writeFileSync(name, bytes.subarray(0, 100))
  await t.throwsAsync(undoAppend(name), { message: /left as it is/ })
  writeFileSync(name, bytes)
  writeFileSync(`${name}.append`, 'my shopping list\n')
  await t.throwsAsync(readGuard(name), { message: /and is none/ })
  await t.throwsAsync(undoAppend(name), { message: /and is none/ })
  t.true(existsSync(`${name}.append`))
  t.deepEqual((await openVolumeFile(name)).warnings, [])
})

test('what is called like a guard and is no file keeps nobody from reading', async (t) => {
  const { name } = await volumeFile(t)
  mkdirSync(`${name}.append`)
  t.deepEqual((await openVolumeFile(name)).warnings, [])
  await t.throwsAsync(setGuard(name), { code: 'EEXIST' })
})

test('a link to a volume leads to its guard', async (t) => {
  const { name, bytes } = await volumeFile(t)
  const link = path.join(path.dirname(name), 'link.aff4')
  symlinkSync(name, link)
  await setGuard(link)
  t.true(existsSync(`${name}.append`))
  appendFileSync(name, 'tail')
  t.is((await readGuard(link))!.length, BigInt(bytes.length))
  await undoAppend(link)
  t.deepEqual(readFileSync(name), bytes)
})

/** Does something right before, or right after, the next file is opened. */
async function around<T>(when: 'before' | 'after', act: () => void, work: () => Promise<T>): Promise<T> {
  const { openSync } = fs
  fs.openSync = (...words) => {
    fs.openSync = openSync
    if (when === 'before') act()
    const fd = openSync(...words)
    if (when === 'after') act()
    return fd
  }
  try {
    return await work()
  } finally {
    fs.openSync = openSync
  }
}

test.serial(
  'the length that is guarded is that of a volume to which nobody else appends any more',
  async (t) => {
    const { name, bytes } = await volumeFile(t)
    // Another append ends just before this one has its guard.
    const guard = await around(
      'before',
      () => appendFileSync(name, 'more'),
      () => setGuard(name),
    )
    t.is(guard.length, BigInt(bytes.length + 4))
    t.is((await readGuard(name))!.length, guard.length)
  },
)

test.serial('a volume that is opened while an append ends is read as it is then', async (t) => {
  const { name, bytes } = await volumeFile(t)
  const { source } = await around(
    'after',
    () => appendFileSync(name, 'more'),
    () => openAsItWas(name),
  )
  t.is(source.size, BigInt(bytes.length + 4))
  await source.close()
})

test('a guard is held until it is gone, another one stands there, or another volume', async (t) => {
  for (const happens of [
    (guard: string) => rmSync(guard),
    (guard: string) => {
      rmSync(guard)
      writeFileSync(guard, 'pmem append\n')
    },
    (_: string, volume: string) => {
      writeFileSync(`${volume}.new`, 'another')
      renameSync(`${volume}.new`, volume)
    },
    (_: string, volume: string) => rmSync(volume),
  ]) {
    const { name } = await volumeFile(t)
    const guard = await setGuard(name)
    appendFileSync(name, 'what is appended')
    t.true(guard.held)
    happens(guard.name, name)
    t.false(guard.held)
  }
})

test('a volume whose name leaves no room for that of a guard is read, and not appended to', async (t) => {
  const { name, bytes } = await volumeFile(t)
  const long = path.join(path.dirname(name), 'x'.repeat(255))
  writeFileSync(long, bytes)
  t.is(await readGuard(long), undefined)
  t.truthy((await openVolumeFile(long)).members.get('file'))
  await t.throwsAsync(setGuard(long), { code: 'ENAMETOOLONG' })
})
