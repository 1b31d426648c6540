import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomInt } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { readGuard, setGuard, undoAppend } from '../../src/formats/aff4/append-guard.js'
import { listStreams, openStream } from '../../src/formats/aff4/reader.js'
import { openVolumeFile } from '../../src/formats/aff4/volume-file.js'
import { readWithPython, unzipComplaints } from '../formats/aff4/python.js'
import { contentOf } from '../formats/aff4/recipe.js'
import { cut, data, memory, ranges, runTool, scratch, stream, transmission } from './pipeline.js'

const PMEM = 'https://pmem.dev/ns#'
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const file = (name: string, content: string) =>
  stream({ name, kind: 'image' }, [data(0n, Buffer.from(content))])

/** A memory of some bevies of half a MiB. */
const memoryOf = (seed: number, chunks = 128, id = 2) =>
  stream(
    memory({
      chunkSize: 64,
      size: `0x${(chunks << 16).toString(16)}`,
      ranges: ranges([0n, BigInt(chunks << 16)]),
    }),
    Array.from({ length: chunks }, (_, i) => data(BigInt(i << 16), contentOf(3 * (seed + i) + 1, 1 << 16))),
    id,
  )

async function fileWith(t: ExecutionContext, ...inputs: Buffer[]): Promise<string> {
  const out = path.join(await scratch(t), 'out.aff4')
  for (const input of inputs) {
    const { status, stderr } = await runTool('aff4-sink', [out], input)
    t.is(status, 0, stderr)
  }
  return out
}

/** Digests of the streams that nothing else rests on, by their URNs, as our reader gives them. */
async function digestsOf(name: string): Promise<Record<string, string>> {
  const volume = await openVolumeFile(name)
  const digests: Record<string, string> = {}
  for (const { urn, backing } of await listStreams([volume])) {
    if (backing) continue
    const { size, read } = await openStream([volume], urn)
    digests[urn] = sha256(await read(0n, Number(size)))
  }
  return digests
}

const properties = (name: string) => readWithPython([name])[0]!.properties
const objectsNamed = (name: string, property: string) =>
  Object.values(properties(name)).flatMap((facts) => facts[PMEM + property] ?? [])

test('what is there is appended to: the same bytes in front, one volume, one aff4:Image, and no guard left', async (t) => {
  const out = await fileWith(t, transmission([...file('/a', 'first'), ...memoryOf(1, 20)]))
  const old = readFileSync(out)
  const before = await digestsOf(out)
  const { status, stderr } = await runTool(
    'aff4-sink',
    [out],
    transmission([...file('/a', 'second'), ...memoryOf(2, 20)]),
  )
  t.is(status, 0, stderr)
  t.true(readFileSync(out).subarray(0, old.length).equals(old))
  t.false(existsSync(`${out}.append`))
  t.is(statSync(out).mode & 0o777, 0o600)
  const after = await digestsOf(out)
  t.is(Object.keys(after).length, 4)
  t.like(after, before)
  for (const content of ['first', 'second'])
    t.true(Object.values(after).includes(sha256(Buffer.from(content))))
  t.is(unzipComplaints(out), '')
  const [volume] = readWithPython([out])
  const images = Object.values(volume!.objects).filter(({ types }) => types.includes('Image'))
  t.is(images.length, 1)
})

test('an append whose input is cut keeps what came, labelled with its transmission, and the old volume is as complete as before', async (t) => {
  const out = await fileWith(t, transmission(file('/a', 'first')))
  const before = await digestsOf(out)
  const body = memory({ chunkSize: 64, ranges: ranges([0n, 1n << 20n]) })
  const { status, stderr } = await runTool('aff4-sink', [out], cut(body, [data(0n, contentOf(1, 1 << 16))]))
  t.is(status, 3)
  t.regex(stderr, /kept in .*out\.aff4/)
  t.false(existsSync(`${out}.append`))
  t.like(await digestsOf(out), before)
  const [volume] = readWithPython([out])
  t.deepEqual(volume!.properties[volume!.urn]![`${PMEM}status`], ['complete'])
  t.is(volume!.properties[volume!.urn]![`${PMEM}incomplete`], undefined)
  // The transmission and its stream.
  t.is(objectsNamed(out, 'incomplete').length, 2)
  t.deepEqual(objectsNamed(out, 'status').toSorted(), ['complete', 'complete', 'truncated'])
})

test('without a stream nothing is appended', async (t) => {
  const out = await fileWith(t, transmission(file('/a', 'first')))
  const old = readFileSync(out)
  const { status } = await runTool('aff4-sink', [out], Buffer.alloc(0))
  t.is(status, 3)
  t.deepEqual(readFileSync(out), old)
  t.false(existsSync(`${out}.append`))
})

test('an append that has not finished stands in the way of the next one, until it is undone', async (t) => {
  const out = await fileWith(t, transmission(file('/a', 'first')))
  const old = readFileSync(out)
  await setGuard(out)
  const refused = await runTool('aff4-sink', [out], transmission(file('/b', 'second')))
  t.is(refused.status, 73)
  t.regex(refused.stderr, /was not finished: .*out\.aff4\.append is there\nhint: .*aff4-recover --undo/)
  t.deepEqual(readFileSync(out), old)
  await undoAppend(out)
  t.is((await runTool('aff4-sink', [out], transmission(file('/b', 'second')))).status, 0)
})

test('of two sinks that append at once one is refused, and the other one completes', async (t) => {
  const out = await fileWith(t, transmission(file('/a', 'first')))
  const results = await Promise.all(
    [1, 2, 3].map((seed) =>
      runTool('aff4-sink', [out], transmission([...memoryOf(seed), ...file(`/${seed}`, 'x')])),
    ),
  )
  const good = results.filter(({ status }) => status === 0)
  t.true(good.length >= 1)
  for (const { status, stderr } of results) if (status !== 0) t.regex(stderr, /an append is under way/)
  t.is(Object.keys(await digestsOf(out)).length, 1 + 2 * good.length)
  t.is(unzipComplaints(out), '')
})

test('-t replaces a volume, and the guard of an append that was never finished', async (t) => {
  const out = await fileWith(t, transmission(file('/a', 'first')))
  await setGuard(out)
  const { status, stderr } = await runTool('aff4-sink', ['-t', out], transmission(file('/b', 'second')))
  t.is(status, 0, stderr)
  t.deepEqual(Object.values(await digestsOf(out)), [sha256(Buffer.from('second'))])
  t.false(existsSync(`${out}.append`))
})

test('a file that is no volume is left alone, and gets one behind it only with --onto', async (t) => {
  const folder = await scratch(t)
  const input = transmission(file('/a', 'first'))
  const out = path.join(folder, 'tool')
  copyFileSync('/bin/true', out)
  chmodSync(out, 0o755)
  const old = readFileSync(out)
  const refused = await runTool('aff4-sink', [out], input)
  t.is(refused.status, 73)
  t.regex(refused.stderr, /file exists\nhint: it is no volume: .*--onto/)
  t.deepEqual(readFileSync(out), old)
  for (const count of [1, 2]) {
    const { status, stderr } = await runTool('aff4-sink', ['--onto', out], input)
    t.is(status, 0, stderr)
    t.true(readFileSync(out).subarray(0, old.length).equals(old))
    t.is(statSync(out).mode & 0o777, 0o755)
    t.is(spawnSync(out).status, 0)
    t.is(Object.keys(await digestsOf(out)).length, count)
    t.is(unzipComplaints(out), '')
    t.is(readWithPython([out]).length, 1)
  }
  t.is((await runTool('aff4-sink', [out], input)).status, 0)
  const absent = await runTool('aff4-sink', ['--onto', path.join(folder, 'absent')], input)
  t.is(absent.status, 66)
  t.is((await runTool('aff4-sink', ['--onto', '-t', out], input)).status, 64)
})

test('a ZIP file that is no volume, and a volume that is cut, get nothing behind them', async (t) => {
  const out = await fileWith(t, transmission(file('/a', 'first')))
  const cutOne = readFileSync(out).subarray(0, -10)
  const zip = path.join(path.dirname(out), 'plain.zip')
  const script = 'import sys, zipfile; zipfile.ZipFile(sys.argv[1], "w").writestr("a", "b")'
  t.is(spawnSync('/usr/bin/python3', ['-c', script, zip]).status, 0)
  for (const content of [
    cutOne,
    readFileSync(zip),
    Buffer.concat([Buffer.alloc(5000, '#!'), readFileSync(zip)]),
  ]) {
    writeFileSync(out, content)
    for (const words of [[out], ['--onto', out]]) {
      const { status, stderr } = await runTool('aff4-sink', words, transmission(file('/b', 'second')))
      t.is(status, 73)
      t.regex(stderr, /file exists\nhint: it cannot be appended to/)
      t.deepEqual(readFileSync(out), content)
    }
  }
})

test('killed at any point, an append leaves the old volume readable, and undo restores it bit for bit', async (t) => {
  const out = await fileWith(t, transmission([...file('/a', 'first'), ...memoryOf(1, 20)]))
  const old = readFileSync(out)
  const before = await digestsOf(out)
  const input = transmission([...memoryOf(2, 64), ...memoryOf(100, 32, 3), ...file('/b', 'second')])
  const reached = { guarded: 0, grown: 0 }
  for (let turn = 0; turn < 50; turn++) {
    const child = spawn(process.execPath, ['bin/aff4-sink', out], { stdio: ['pipe', 'ignore', 'ignore'] })
    child.stdin.on('error', () => {})
    const closed = once(child, 'close')
    // Some die while bytes come, some while the end is written.
    const fed = turn % 5 === 0 ? input.length : randomInt(1 << 18, input.length)
    child.stdin.write(input.subarray(0, fed))
    if (fed === input.length) child.stdin.end()
    const target = old.length + (turn % 5 === 0 ? randomInt(1, 6 << 20) : Math.max(0, fed - (2 << 20)))
    while (child.exitCode === null && !(existsSync(`${out}.append`) && statSync(out).size >= target))
      await new Promise((resolve) => setTimeout(resolve, 1))
    await new Promise((resolve) => setTimeout(resolve, randomInt(0, 20)))
    child.kill('SIGKILL')
    await closed
    const told = `turn ${turn}: ${fed} bytes fed, killed when the volume had ${target}`
    t.true(readFileSync(out).subarray(0, old.length).equals(old), told)
    if (await readGuard(out)) {
      reached.guarded++
      if (statSync(out).size > old.length) reached.grown++
      t.deepEqual(await digestsOf(out), before, told)
      await undoAppend(out)
      t.true(readFileSync(out).equals(old), told)
    } else {
      t.like(await digestsOf(out), before, told)
      truncateSync(out, old.length)
    }
  }
  // How many depends on how busy the machine is.
  t.true(reached.guarded > 0, `${reached.guarded} found a guard`)
  t.true(reached.grown > 0, `${reached.grown} had appended something`)
})

test('a disk that is full keeps what came where its end fits, and else restores the volume', async (t) => {
  const out = await fileWith(t, transmission([...file('/a', 'first'), ...memoryOf(1, 20)]))
  const folder = path.dirname(out)
  const disk = path.join(folder, 'disk')
  mkdirSync(disk)
  const before = await digestsOf(out)
  const old = readFileSync(out)
  // With and without the room that is set aside.
  for (const [size, grows] of [
    [12 << 20, true],
    [old.length + 4096, false],
  ] as const) {
    const script = `mount -t tmpfs -o size=${size} tmpfs '${disk}' || exit 99
cp '${out}' '${disk}/out.aff4'; status=0; "$@" || status=$?; cp '${disk}/out.aff4' '${folder}/after.aff4'
ls '${disk}' > '${folder}/names'; exit $status`
    const prefix = ['unshare', '--map-root-user', '--mount', 'bash', '-c', script, 'small']
    const words = ['--ignore-space', path.join(disk, 'out.aff4')]
    const { status, stderr } = await runTool('aff4-sink', words, transmission(memoryOf(2, 300)), { prefix })
    t.is(status, 74, stderr)
    t.regex(stderr, /no space left on device/)
    const after = path.join(folder, 'after.aff4')
    const bytes = readFileSync(after)
    t.true(bytes.subarray(0, old.length).equals(old))
    t.is(bytes.length > old.length, grows, stderr)
    t.like(await digestsOf(after), before)
    t.is(unzipComplaints(after), '')
    t.is(readFileSync(path.join(folder, 'names'), 'utf8'), 'out.aff4\n')
  }
})

test('a file of the name of a guard that is none is neither obeyed nor removed', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const list = 'bread\nmilk\n'
  writeFileSync(`${out}.append`, list)
  const input = transmission(file('/a', 'first'))
  for (const words of [[out], ['-t', out]]) t.is((await runTool('aff4-sink', words, input)).status, 0)
  const { status, stderr } = await runTool('aff4-sink', [out], input)
  t.is(status, 73)
  t.regex(stderr, /out\.aff4\.append: stands where the guard of an append would, and is none/)
  t.is(readFileSync(`${out}.append`, 'utf8'), list)
})

test('a guard whose volume is gone is not taken for that of a new one', async (t) => {
  const out = await fileWith(t, transmission(file('/a', 'first')))
  await setGuard(out)
  rmSync(out)
  const input = transmission(file('/b', 'second'))
  const { status, stderr } = await runTool('aff4-sink', [out], input)
  t.is(status, 73)
  t.regex(stderr, /out\.aff4\.append: file exists, and no volume/)
  t.is((await runTool('aff4-sink', ['-t', out], input)).status, 0)
  t.false(existsSync(`${out}.append`))
})

/** Runs the sink with system calls on some files failing. */
const failing = (inject: string, ...files: string[]) => ({
  prefix: [
    'strace',
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    ...files.flatMap((file) => ['-P', file]),
    '-e',
    `inject=${inject}`,
  ],
})

test('a guard that cannot be removed costs nothing of what was appended', async (t) => {
  const out = await fileWith(t, transmission(file('/a', 'first')))
  const input = transmission(file('/b', 'second'))
  const { status, stderr } = await runTool(
    'aff4-sink',
    [out],
    input,
    failing('unlink,unlinkat:error=EIO', `${out}.append`),
  )
  t.is(status, 74)
  t.regex(
    stderr,
    /out\.aff4\.append: input\/output error\nhint: all that was written is in .*out\.aff4: remove/,
  )
  t.is(Object.keys(await digestsOf(out)).length, 1)
  rmSync(`${out}.append`)
  t.is(Object.keys(await digestsOf(out)).length, 2)
})

test('where the disk fails at the end, the old volume is read, and what was appended can be recovered', async (t) => {
  const out = await fileWith(t, transmission(file('/a', 'first')))
  const before = await digestsOf(out)
  const input = transmission(file('/b', 'second'))
  const { status, stderr } = await runTool('aff4-sink', [out], input, failing('fsync:error=EIO', out))
  t.is(status, 74)
  t.regex(stderr, /out\.aff4: input\/output error\nhint: it reads as it was before; aff4-recover/)
  t.deepEqual(await digestsOf(out), before)
  const all = path.join(path.dirname(out), 'all.aff4')
  t.is((await runTool('aff4-recover', [out, all], Buffer.alloc(0))).status, 0)
  const recovered = Object.values(await digestsOf(all))
  for (const content of ['first', 'second']) t.true(recovered.includes(sha256(Buffer.from(content))))
})

test('a file that is no volume stays what it is when the first byte behind it cannot be written', async (t) => {
  const out = path.join(await scratch(t), 'tool')
  copyFileSync('/bin/true', out)
  const old = readFileSync(out)
  const input = transmission(file('/a', 'first'))
  const { status, stderr } = await runTool(
    'aff4-sink',
    ['--onto', out],
    input,
    failing('pwritev:error=ENOSPC', out),
  )
  t.is(status, 74)
  t.notRegex(stderr, /kept|what came before is in/)
  t.deepEqual(readFileSync(out), old)
  t.false(existsSync(`${out}.append`))
})

test('a program that runs gets nothing behind it, and one reason is given', async (t) => {
  const out = path.join(await scratch(t), 'sleep')
  copyFileSync('/bin/sleep', out)
  const old = readFileSync(out)
  const child = spawn(out, ['600'])
  await once(child, 'spawn')
  const { status, stderr } = await runTool('aff4-sink', ['--onto', out], transmission(file('/a', 'first')))
  child.kill()
  t.is(status, 73)
  t.is(stderr, `aff4-sink: ${out}: text file is busy\n`)
  t.deepEqual(readFileSync(out), old)
  t.false(existsSync(`${out}.append`))
})

test('an append that is undone while it runs ends there, and leaves the old volume as it is', async (t) => {
  const out = await fileWith(t, transmission(file('/a', 'first')))
  const old = readFileSync(out)
  const input = transmission(memoryOf(2, 20))
  async function* pieces() {
    yield input.subarray(0, 1 << 19)
    while (!(await readGuard(out))?.length) await new Promise((resolve) => setTimeout(resolve, 5))
    await undoAppend(out)
    yield input.subarray(1 << 19)
  }
  const { status, stderr } = await runTool('aff4-sink', [out], pieces())
  t.is(status, 74)
  t.regex(stderr, /out\.aff4: undone or replaced by another program/)
  t.deepEqual(readFileSync(out), old)
  t.false(existsSync(`${out}.append`))
})

test('a file with two names is not appended to: a guard would stand beside one of them', async (t) => {
  const out = await fileWith(t, transmission(file('/a', 'first')))
  const old = readFileSync(out)
  linkSync(out, `${out}.too`)
  for (const words of [[out], ['--onto', `${out}.too`]]) {
    const { status, stderr } = await runTool('aff4-sink', words, transmission(file('/b', 'second')))
    t.is(status, 73)
    t.regex(stderr, /the file has 2 names \(hard links\)\nhint: .*append to a copy/)
  }
  t.deepEqual(readFileSync(out), old)
})

test('a guard of another volume is named as what stands in the way', async (t) => {
  const out = await fileWith(t, transmission(file('/a', 'first')))
  writeFileSync(`${out}.append`, `pmem append\nlength 100\nsha256 ${'0'.repeat(64)}\n`)
  const { status, stderr } = await runTool('aff4-sink', [out], transmission(file('/b', 'second')))
  t.is(status, 73)
  t.regex(
    stderr,
    /out\.aff4\.append speaks of another volume than this one\nhint: .*remove .*out\.aff4\.append/,
  )
})

test('a link that somebody put where room is set aside is not followed', async (t) => {
  const folder = await scratch(t)
  const victim = path.join(folder, 'victim')
  writeFileSync(victim, 'not ours')
  for (const name of ['.out.partial.aff4.reserve', '.out.aff4.reserve'])
    symlinkSync(victim, path.join(folder, name))
  const out = path.join(folder, 'out.aff4')
  for (const content of ['first', 'second'])
    t.is((await runTool('aff4-sink', [out], transmission(file(`/${content}`, content)))).status, 0)
  t.is(readFileSync(victim, 'utf8'), 'not ours')
})
