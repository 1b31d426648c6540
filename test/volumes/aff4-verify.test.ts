import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { setGuard, undoAppend } from '../../src/formats/aff4/append-guard.js'
import { flipBit } from '../formats/aff4/flip.js'
import { data, fill, hex, memory, ranges, runTool, scratch, stream, transmission } from '../sinks/pipeline.js'

const image = (name: string) => `test/data/aff4/${name}`
const NOTHING = Buffer.alloc(0)

async function verify(...words: string[]) {
  const { status, stdout, stderr } = await runTool('aff4-verify', words, NOTHING)
  return { status, lines: stdout.toString().trimEnd().split('\n'), stderr }
}

test('volumes of every era that hold what they say are passed', async (t) => {
  const names = ['Base-Allocated.aff4', 'Base-Linear-AllHashes.aff4', 'Base-Linear-prestandard.af4']
  for (const name of [...names, 'dream.aff4', 'pmem2015.aff4']) {
    const { status, lines, stderr } = await verify(image(name))
    t.is(status, 0, name)
    t.is(stderr, '')
    t.regex(lines.at(-1)!, /^\d+ matched, 0 mismatched, 0 not checked, \d that nobody can check$/)
  }
})

test('a line says outcome, property, subject, reason and place', async (t) => {
  const volume = path.join(await scratch(t), 'volume.aff4')
  const bytes = readFileSync(image('dream.aff4'))
  flipBit(bytes, 3000, 6)
  writeFileSync(volume, bytes)
  const { status, lines } = await verify(volume)
  t.is(status, 1)
  const bad = lines.filter((line) => line.startsWith('mismatched'))
  t.regex(bad[0]!, /^mismatched {3}\S+ +.*volume\.aff4: \/test_images\/AFF4-L\/dream\.txt: .* \(at 0x0\)$/)
  t.true(
    lines.some((line) => /^mismatched +hash MD5 +aff4:\S+\/dream\.txt: its member is damaged$/.test(line)),
  )
  t.true(lines.some((line) => /^matched +structure +.*volume\.aff4: 4 members/.test(line)))
})

test('--json gives the same findings as objects', async (t) => {
  const { status, lines } = await verify('--json', image('Base-Allocated.aff4'))
  t.is(status, 0)
  const findings = lines.map((line) => JSON.parse(line) as Record<string, string>)
  t.true(
    findings.some(
      ({ outcome, property, subject }) =>
        outcome === 'matched' &&
        property === 'hash MD5' &&
        subject === 'aff4://fce3df71-dce8-4a17-af67-36bed58f25c9',
    ),
  )
  t.deepEqual([...new Set(findings.map(({ outcome }) => outcome))].sort(), ['matched', 'uncheckable'])
})

test('an incomplete stream is not called whole, and the ranges that are there are shown', async (t) => {
  const volume = path.join(await scratch(t), 'volume.aff4')
  const frames = stream(memory({ ranges: ranges([0x1000n, 0x9000n], [0x20000n, 0x1000n]) }), [
    data(0x1000n, Buffer.alloc(0x1000, 'x')),
    data(0x2000n, Buffer.alloc(0x1000, 'y')),
    fill(0x20000n, 0x1000n, 'zero'),
  ])
  const sent = transmission(frames)
  await runTool('aff4-sink', [volume], sent.subarray(0, sent.length - 200))
  const { status, lines } = await verify(volume.replace('.aff4', '.partial.aff4'))
  t.is(status, 2)
  t.true(lines.some((line) => /^unchecked +incomplete +aff4:\S+: /.test(line)))
  t.true(lines.some((line) => /^note +holds +aff4:\S+: 0x1000-0x[23]000$/.test(line)))
})

test('digests of ranges are checked, with and without zeros behind the last of them', async (t) => {
  const folder = await scratch(t)
  const far = 1n << 40n
  for (const [name, size] of Object.entries({ exact: far + 0x1000n, longer: far + 0x100000n })) {
    const frames = stream(memory({ ranges: ranges([0x1000n, 0x2000n], [far, 0x1000n]), size: hex(size) }), [
      data(0x1000n, Buffer.alloc(0x2000, 'x')),
      data(far, Buffer.alloc(0x1000, 'y')),
    ])
    const volume = path.join(folder, `${name}.aff4`)
    const hashed = await runTool('pmem-hash', ['sha256', 'md5'], transmission(frames))
    await runTool('aff4-sink', [volume], hashed.stdout)
    const { lines } = await verify(volume)
    t.is(lines.filter((line) => /^matched +rangesHash (SHA256|MD5) /.test(line)).length, 2, name)
  }
})

test('an encrypted volume is checked inside with its password, and left unchecked without', async (t) => {
  const { status, lines } = await verify(image('encrypted.aff4'))
  t.is(status, 2)
  t.true(lines.some((line) => /^unchecked +encryption +\S+: encrypted for 1 password/.test(line)))
  const script = `bin/aff4-verify --password-fd 3 ${image('encrypted.aff4')} 3<<< password`
  const text = execFileSync('bash', ['-c', script], { encoding: 'utf8' })
  t.is(text.match(/^matched +structure/gm)?.length, 2)
  t.is(text.match(/^matched +hash (MD5|SHA1) /gm)?.length, 2)
})

test('a volume in a folder is checked without CRCs; a bit of a file is found by its digest', async (t) => {
  const folder = await scratch(t)
  const script = `bin/file-cat package.json | bin/pmem-hash sha256 | bin/aff4-sink '${folder}/volume.aff4'
    mkdir '${folder}/volume'; unzip -q '${folder}/volume.aff4' -d '${folder}/volume'; find '${folder}/volume' -name package.json`
  const file = execFileSync('bash', ['-ec', script], { encoding: 'utf8' }).trim()
  t.is((await verify(`${folder}/volume`)).status, 0)
  const bytes = readFileSync(file)
  flipBit(bytes, 100)
  writeFileSync(file, bytes)
  const { status, lines } = await verify(`${folder}/volume`)
  t.is(status, 1)
  t.true(lines.some((line) => /^mismatched +hash SHA256 .*package\.json: is /.test(line)))
})

test('an append that was cut is told, and what was there before is checked', async (t) => {
  const folder = await scratch(t)
  const volume = path.join(folder, 'volume.aff4')
  const script = `bin/file-cat package.json | bin/pmem-hash md5 | bin/aff4-sink '${volume}'; cp '${volume}' '${folder}/before'
    bin/file-cat README.md | bin/aff4-sink '${volume}'`
  execFileSync('bash', ['-ec', script])
  t.is((await verify(volume)).status, 0)
  const guard = await setGuard(volume)
  appendFileSync(volume, 'the beginning of something')
  const before = await verify(volume)
  t.is(before.status, 2)
  t.true(before.lines.some((line) => /^unchecked +append .*without 26 bytes/.test(line)))
  await undoAppend(volume)
  t.false(existsSync(guard.name))
  const whole = readFileSync(volume)
  writeFileSync(volume, whole.subarray(0, whole.length - 100))
  const { status, lines } = await verify(volume)
  t.is(status, 1)
  t.regex(lines[0]!, /end record/)
})

test('names that would steer a terminal are shown harmless', async (t) => {
  const volume = path.join(await scratch(t), 'evil\u001b[31m.aff4')
  writeFileSync(volume, readFileSync(image('dream.aff4')))
  const { lines } = await verify(volume)
  t.true(lines.some((line) => line.includes('evil\\x1b[31m.aff4')))
  t.false(/\p{Cc}/u.test(lines.join('')))
})

test('what is not there is refused; what is no volume is a fault', async (t) => {
  t.is((await verify('nowhere.aff4')).status, 66)
  const { status, lines } = await verify('package.json')
  t.is(status, 1)
  t.regex(lines[0]!, /^mismatched +end record +package\.json: there is none/)
})
