import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFile, copyFile, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { setGuard } from '../../src/formats/aff4/append-guard.js'
import { cut, data, hex, memory, ranges, runTool, scratch, stream, transmission } from '../sinks/pipeline.js'

const NOTHING = Buffer.alloc(0)
const REFERENCE = 'test/data/aff4/Base-Allocated.aff4'
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

async function volumeOf(folder: string): Promise<{ name: string; bytes: Buffer }> {
  const name = path.join(folder, 'volume.aff4')
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * index) >> 7))
  const frames = stream(memory({ chunkSize: 4096 }), [data(0n, content)])
  const { status } = await runTool('aff4-sink', [name], transmission(frames))
  if (status !== 0) throw new Error('aff4-sink')
  return { name, bytes: await readFile(name) }
}

test('a volume without its directory becomes a whole one, and exits 0', async (t) => {
  const folder = await scratch(t)
  const { name, bytes } = await volumeOf(folder)
  const [cut, out] = [path.join(folder, 'cut.aff4'), path.join(folder, 'out.aff4')]
  await writeFile(cut, bytes.subarray(0, bytes.length - 30))
  const { status, stderr, stdout } = await runTool('aff4-recover', [cut, out], NOTHING)
  t.is(status, 0, stderr)
  t.is(stdout.length, 0)
  t.regex(stderr, /out\.aff4: 1 object, .*; nothing is missing/)
  const [before, after] = await Promise.all(
    [name, out].map((volume) => runTool('aff4-cat', [volume], NOTHING)),
  )
  const raw = await Promise.all(
    [before!, after!].map(({ stdout: frames }) => runTool('raw-sink', ['-'], frames)),
  )
  t.is(sha256(raw[0]!.stdout), sha256(raw[1]!.stdout))
  t.is((await stat(out)).mode & 0o777, 0o600)
})

test('a volume cut in its data exits 3, names what is lost, and takes its final name', async (t) => {
  const folder = await scratch(t)
  const [cut, out] = [path.join(folder, 'cut.aff4'), path.join(folder, 'out.aff4')]
  await writeFile(cut, (await readFile(REFERENCE)).subarray(0, 2_000_000))
  const { status, stderr } = await runTool('aff4-recover', [cut, out], NOTHING)
  t.is(status, 3)
  t.regex(stderr, /its description is lost/)
  const { stdout } = await runTool('aff4-view', [out], NOTHING)
  t.regex(stdout.toString(), /pmem:incomplete/)
  t.is((await runTool('aff4-recover', [cut, out], NOTHING)).status, 73)
  t.is((await runTool('aff4-recover', ['-t', cut, out], NOTHING)).status, 3)
})

test('refuses what is no volume, what is not there, and a volume as its own output', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'out.aff4')
  const junk = path.join(folder, 'junk')
  await writeFile(junk, Buffer.alloc(100_000, 'PK\x03\x04'))
  const nothing = await runTool('aff4-recover', [junk, out], NOTHING)
  t.is(nothing.status, 65)
  t.regex(nothing.stderr, /nothing to recover/)
  t.is((await runTool('aff4-recover', [path.join(folder, 'none'), out], NOTHING)).status, 66)
  t.is((await runTool('aff4-recover', ['-t', junk, junk], NOTHING)).status, 64)
  t.is((await runTool('aff4-recover', [junk], NOTHING)).status, 64)
  for (const name of [folder, '/dev/stdin', '/dev/null']) {
    const { status, stderr } = await runTool('aff4-recover', [name, out], NOTHING)
    t.is(status, 66)
    t.regex(stderr, /: not a regular file\nhint: copy its bytes to one/)
  }
  await t.throwsAsync(stat(out), { code: 'ENOENT' })
})

test('--undo gives back the volume as it was before an append, bit for bit', async (t) => {
  const folder = await scratch(t)
  const volume = path.join(folder, 'volume.aff4')
  await copyFile(REFERENCE, volume)
  const before = sha256(await readFile(volume))
  await setGuard(volume)
  await appendFile(volume, Buffer.alloc(5000, 'half an append'))
  const { status, stderr } = await runTool('aff4-recover', ['--undo', volume], NOTHING)
  t.is(status, 0, stderr)
  t.regex(stderr, /5000 cut off/)
  t.is(sha256(await readFile(volume)), before)
  const again = await runTool('aff4-recover', ['--undo', volume], NOTHING)
  t.is(again.status, 65)
  t.regex(again.stderr, /no append to undo/)
})

test('a sink that was killed leaves a volume from which all that was flushed comes back', async (t) => {
  const folder = await scratch(t)
  const [partial, out] = [path.join(folder, 'memory.partial.aff4'), path.join(folder, 'out.aff4')]
  const content = randomBytes(80 << 20)
  const announced = memory({ ranges: ranges([0n, 16n << 20n], [1n << 30n, 128n << 20n]) })
  const pieces = Array.from({ length: 80 }, (_, index) => {
    const address = index < 16 ? BigInt(index << 20) : (1n << 30n) + BigInt((index - 16) << 20)
    return data(address, content.subarray(index << 20, (index + 1) << 20))
  })
  const sink = spawn(process.execPath, ['bin/aff4-sink', path.join(folder, 'memory.aff4')], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  sink.stdin.on('error', () => {})
  sink.stdin.write(cut(announced, pieces))
  // Two bevies of 32 MiB with their indexes, and then it waits for more.
  const isWritten = async () => (await readFile(partial).catch(() => NOTHING)).includes('/00000001.index')
  const sizeOf = async () => (await stat(partial)).size
  while (sink.exitCode === null && !(await isWritten())) await sleep(100)
  for (let size = 0; size < 64 << 20 || size !== (await sizeOf()); await sleep(300)) size = await sizeOf()
  sink.kill('SIGKILL')
  await once(sink, 'close')

  const { status, stderr } = await runTool('aff4-recover', [partial, out], NOTHING)
  t.is(status, 3, stderr)
  // What was announced and never came is lost as well.
  t.regex(
    stderr,
    new RegExp(`PhysicalMemory: lost ${hex((1n << 30n) + (48n << 20n))}-${hex((1n << 30n) + (128n << 20n))}`),
  )
  const { stdout } = await runTool('aff4-cat', [out, '--range', '0-16M'], NOTHING)
  const raw = await runTool('raw-sink', ['-'], stdout)
  t.true(raw.stdout.equals(content.subarray(0, 16 << 20)))
})
