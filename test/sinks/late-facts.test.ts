import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import type { Frame } from '../../src/frames/frame.js'
import { data, memory, meta, ranges, runTool, scratch, stream, transmission } from './pipeline.js'

const run = promisify(execFile)
const PAGE = 0x1000
const SMEAR = 'changed=1 compared=2 unreadable=0 share=50.00% from=9.45% to=90.55% confidence=95% seed=7'
const BY_AGE = '0s-1s=1/2'

/** What a source of live memory says once it has read all. */
const input = transmission(
  stream(memory({ size: '0x3000', ranges: ranges([0x1000n, 0x2000n]) }), [
    meta('pmem:elfMachine "62"; aff4:pageSize "4096"'),
    data(0x1000n, Buffer.alloc(2 * PAGE, 'A')),
    meta(`pmem:smear "${SMEAR}"; pmem:smearByAge "${BY_AGE}"`),
  ] satisfies Frame[]),
)

for (const [sink, out] of [
  ['aff4-sink', 'm.aff4'],
  ['elf-sink', 'm.elf'],
  ['kdump-sink', 'm.kdump'],
] as const)
  test(`${sink} keeps how much of a memory changed, and image-cat sends it on`, async (t) => {
    const file = path.join(await scratch(t), out)
    const { status, stderr } = await runTool(sink, [file], input)
    t.is(status, 0, stderr)
    t.notRegex(stderr, /smear/)
    const { stdout: info } = await runTool('image-info', ['--json', file], Buffer.alloc(0))
    t.true(info.includes(`"smear":"${SMEAR}","smearByAge":"${BY_AGE}"`), info.toString())
    const { stdout: frames } = await runTool('image-cat', [file], Buffer.alloc(0))
    const again = path.join(path.dirname(file), 'again.aff4')
    await runTool('aff4-sink', [again], frames)
    t.true((await runTool('aff4-view', [again], Buffer.alloc(0))).stdout.includes(SMEAR))
  })

for (const [sink, out] of [
  ['lime-sink', 'm.lime'],
  ['avml-sink', 'm.avml'],
  ['crashdump-sink', 'm.dmp'],
  ['ewf-sink', 'm.E01'],
  ['elf-sink', '-'],
] as const)
  test(`${sink} ${out} writes the same with such facts, and says that it cannot hold them`, async (t) => {
    const folder = await scratch(t)
    const file = out === '-' ? out : path.join(folder, out)
    const { status, stderr } = await runTool(sink, [file], input)
    t.is(status, 0, stderr)
    t.regex(stderr, /has no place for: smear, smear by age\nhint: aff4-sink keeps them\n/)
    if (out !== '-') t.true(fs.existsSync(file))
  })

test('aff4-ls says how much changed, beside its table', async (t) => {
  const file = path.join(await scratch(t), 'm.aff4')
  await runTool('aff4-sink', [file], input)
  const { stdout, stderr } = await run(process.execPath, ['bin/aff4-ls', file])
  t.is(stderr, `aff4-ls: PhysicalMemory: pages that changed while it was read: ${SMEAR}\n`)
  t.notRegex(stdout, /smear|changed/)
})
