import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { transmission } from '../../../src/cli/labelled.js'
import { createEncoder } from '../../../src/frames/encode.js'
import { readWinpmem } from '../../../src/sources/read-winpmem.js'
import {
  KPCR_ADDRESSES,
  memoryAt,
  type Scripted,
  scriptWin32,
} from '../../platform/windows/scripted-win32.js'
import { runTool, scratch } from '../../sinks/pipeline.js'
import { silent } from '../collect.js'

const RANGES = [
  { start: 0x1000n, length: 0x9e000n },
  { start: 0x100000000n, length: 0x200000n },
]

/** What the source sends, as it goes over a pipe. */
async function* sent(win32: Scripted, driver: string): AsyncGenerator<Buffer> {
  const options = { driver, mode: undefined, collect: false, batchesAlive: 0 }
  const program = { name: 'pmem-read-winpmem', version: '0', arguments: [] }
  const { frames } = transmission(readWinpmem(win32, silent, options), program, new AbortController().signal)
  const encoder = createEncoder()
  for await (const batch of frames) yield Buffer.concat(encoder.encode(batch))
}

const READ = `import json, sys, yaml, zipfile
z = zipfile.ZipFile(sys.argv[1])
print(json.dumps(yaml.safe_load(z.read(next(n for n in z.namelist() if n.endswith('information.yaml')))), default=str))`

for (const layout of ['standard', 'rekall'])
  test(`a volume of layout ${layout} tells in information.yaml what the driver tells`, async (t) => {
    const folder = await scratch(t)
    const driver = path.join(folder, 'winpmem.sys')
    fs.writeFileSync(driver, 'MZ')
    const out = path.join(folder, 'out.aff4')
    const win32 = scriptWin32({ generation: '2.0.1', ranges: RANGES })
    const { status, stderr } = await runTool('aff4-sink', ['--layout', layout, out], sent(win32, driver))
    t.is(status, 0, stderr)
    const { stdout } = await promisify(execFile)('python3', ['-c', READ, out], { encoding: 'utf8' })
    const info = JSON.parse(stdout.replace(/(\d{16,})/g, '"$1"'))
    const { Imager, kernel_version, ...rest } = info
    t.regex(Imager, /^pmem \d/)
    t.is(typeof kernel_version, 'string')
    t.deepEqual(rest, {
      Registers: { CR3: 0x1ad000 },
      NtBuildNumber: 19041,
      KernBase: String(0xfffff80312c00000n),
      NtBuildNumberAddr: String(0xfffff803138f8a10n),
      KPCR: KPCR_ADDRESSES.map(String),
      PfnDataBase: String(0xffffde0000000000n),
      Driver: 'WinPmem 2.0 or later',
      Mode: 'pte',
      Runs: RANGES.map(({ start, length }) => ({ start: Number(start), length: Number(length) })),
    })
    const memory = await runTool('aff4-cat', [out, '--stream', 'PhysicalMemory'], Buffer.alloc(0))
    const raw = path.join(folder, 'out.raw')
    t.is((await runTool('raw-sink', ['--holes', 'skip', raw], memory.stdout)).status, 0)
    const expected = Buffer.concat(
      RANGES.map(({ start, length }) => {
        const bytes = Buffer.alloc(Number(length))
        memoryAt(start, bytes)
        return bytes
      }),
    )
    t.true(fs.readFileSync(raw).equals(expected))
  })
