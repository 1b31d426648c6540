import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { createEncoder } from '../../src/frames/encode.js'
import type { Frame } from '../../src/frames/frame.js'
import { openShell } from '../cli/shell.js'
import { contentOf } from '../formats/aff4/recipe.js'
import { trueDigests } from '../formats/aff4/verify/independent.js'
import { data, fill, hex, memory, ranges, runTool, scratch, stream, transmission } from './pipeline.js'

const EVIDENCE: Frame[] = [
  ...stream(memory({ size: hex(0x9000), ranges: ranges([0x1000n, 0x5000n], [0x8000n, 0x1000n]) }), [
    {
      type: 'meta',
      stream: 1,
      time: 0n,
      turtle: '<> <https://pmem.dev/ns#kernelRelease> "6.1.0" .\n',
    },
    data(0x1000n, contentOf(1, 0x3000)),
    {
      type: 'note',
      stream: 1,
      time: 5n,
      body: { level: 'warning', program: 'source', message: 'a bad page' },
    },
    fill(0x4000n, 0x2000n, 'unreadable'),
    data(0x8000n, contentOf(2, 0x1000)),
  ]),
  ...stream({ name: '/proc/version', kind: 'image' }, [data(0n, Buffer.from('Linux version 6.1.0'))], 2),
  ...stream({ name: '~1/map', kind: 'image' }, [data(0n, Buffer.from('called like a part of an object'))], 3),
  ...stream({ name: '/large', kind: 'image' }, [data(0n, contentOf(3, 2 << 20))], 4),
  ...stream({ name: '/folder', kind: 'folder' }, [], 5),
]

/** The evidence as another run sends it: from another host, at another time, by paths that differ. */
function sent(host: string): Buffer {
  const start: Frame = {
    type: 'start',
    stream: 0,
    time: BigInt(Date.now()) * 1_000_000n,
    body: {
      format: 1,
      host,
      started: new Date(Date.parse('2026-01-01T00:00:00Z') + host.length * 1e6).toISOString(),
      programs: [{ name: 'image-cat', version: '1', arguments: [`/evidence/of/${host}/memory.raw`] }],
    },
  }
  const end: Frame = { type: 'end', stream: 0, time: 0n, body: { status: 'complete', frames: 0, bytes: 0 } }
  return Buffer.concat(createEncoder().encode([start, ...EVIDENCE, end]))
}

const LAYOUTS = { plain: '', hashes: '--block-hashes', logical: '--logical', rekall: '--layout rekall' }

for (const [layout, options] of Object.entries(LAYOUTS))
  test(`the same evidence gives the same volume a second later, elsewhere: ${layout}`, async (t) => {
    const shell = openShell(t)
    for (const [place, host] of ['one', 'another'].entries()) {
      mkdirSync(path.join(shell.folder, host))
      writeFileSync(path.join(shell.folder, host, 'frames'), sent(host))
      const run = await shell.run(
        `cd ${host} && mkdir tmp && sleep ${place}.1 && export TMPDIR=$PWD/tmp TZ=UTC-${place}
         aff4-sink --deterministic ${options} out-${place}.aff4 < frames; status=$?; mv out-${place}.aff4 ../${host}.aff4; exit $status`,
      )
      t.is(run.status, 2, run.stderr)
    }
    const [one, another] = ['one', 'another'].map((host) => path.join(shell.folder, `${host}.aff4`))
    const bytes = readFileSync(one!)
    t.true(bytes.equals(readFileSync(another!)))
    t.false(bytes.includes('2026'))
    const verified = await shell.run(`aff4-verify one.aff4; aff4-cat one.aff4 | pmem-frames`)
    t.is(verified.status, 0, verified.stdout.toString())
    for (const name of ['PhysicalMemory', '/proc/version', '~1/map', '/large'])
      t.true(verified.stdout.includes(name), name)
    const [digests] = trueDigests([[one!]])
    t.true(
      digests!.some((digest) => / mapHash /.test(digest)) &&
        digests!.some((digest) => / mapIdxHash /.test(digest)),
    )
  })

test('evidence that differs gives a volume that is called otherwise', async (t) => {
  const folder = await scratch(t)
  const names: string[] = []
  for (const seed of [1, 2]) {
    const out = path.join(folder, `${seed}.aff4`)
    const frames = stream(memory(), [data(0n, contentOf(9, 0x1000)), data(0x1000n, contentOf(seed, 0x1000))])
    t.is((await runTool('aff4-sink', ['--deterministic', out], transmission(frames))).status, 0)
    const bytes = readFileSync(out)
    names.push(
      bytes.toString('latin1', 30 + 'container.description'.length, 73 + 'container.description'.length),
    )
  }
  t.regex(names[0]!, /^aff4:\/\/[0-9a-f-]{36}$/)
  t.not(names[0], names[1])
})

test('what has a name already, or cannot get one at its end, is refused', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'out.aff4')
  const input = transmission(stream(memory(), [data(0n, contentOf(1, 0x1000))]))
  t.is((await runTool('aff4-sink', [out], input)).status, 0)
  for (const [words, status, said] of [
    [[out], 73, /file exists\nhint: only a new volume can be --deterministic; -t replaces it/],
    [['-'], 64, /no regular file, as --deterministic needs one/],
    [['--onto', out], 64, /does not go with --onto/],
    [['--encrypt', path.join(folder, 'new.aff4')], 64, /does not go with --encrypt/],
  ] as const) {
    const run = await runTool('aff4-sink', ['--deterministic', ...words], input)
    t.is(run.status, status)
    t.regex(run.stderr, said)
  }
  t.is((await runTool('aff4-sink', ['--deterministic', '-t', out], input)).status, 0)
})

test('a volume that is not complete is labelled and has a name all the same', async (t) => {
  const folder = await scratch(t)
  const frames = stream(memory(), [data(0n, contentOf(1, 0x1000))])
  const input = transmission(frames, 'interrupted')
  t.is((await runTool('aff4-sink', ['--deterministic', path.join(folder, 'out.aff4')], input)).status, 3)
  const bytes = readFileSync(path.join(folder, 'out.partial.aff4'))
  t.regex(bytes.toString('latin1', 51, 94), /^aff4:\/\/[0-9a-f]{8}-/)
  t.true(bytes.includes('pmem:incomplete'))
})

test('zip-sink says nothing of its own: the same files give the same archive', async (t) => {
  const shell = openShell(t)
  for (const host of ['one', 'another']) {
    writeFileSync(path.join(shell.folder, `${host}.frames`), sent(host))
    await shell.run(`sleep 1.1; zip-sink ${host}.zip < ${host}.frames`)
  }
  t.is((await shell.run('cmp one.zip another.zip')).status, 0)
})
