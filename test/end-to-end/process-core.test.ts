import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import test from 'ava'
import { scratch } from '../sinks/pipeline.js'

const run = promisify(execFile)

test('gdb finds in the core of a process what it planted, at its addresses', async (t) => {
  const folder = await scratch(t)
  const [program, core] = [path.join(folder, 'planted'), path.join(folder, 'planted.core')]
  await run('gcc', ['-no-pie', '-o', program, 'test/end-to-end/planted.c'])
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill())
  const planted: { address: string; text: string }[] = []
  for await (const line of createInterface(child.stdout)) {
    const [, address, text] = /^(0x\S+) (.*)$/.exec(line)!
    planted.push({ address: address!, text: text! })
    if (planted.length === 4) break
  }
  // 2: complete, with pages that even their owner cannot read.
  const pipe = 'bin/pmem-read-process "$1" | bin/pmem-compress snappy | bin/elf-sink "$2" || [ $? -eq 2 ]'
  await run('bash', ['-e', '-o', 'pipefail', '-c', pipe, 'pipe', String(child.pid), core])
  child.stdin.end()
  await once(child, 'exit')

  const { stderr } = await run('readelf', ['-hlWn', core])
  t.is(stderr, '')
  const commands = planted.flatMap(({ address }) => ['-ex', `x/s ${address}`])
  const gdb = await run('gdb', ['-nx', '-batch', ...commands, program, core])
  for (const { address, text } of planted) t.regex(gdb.stdout, new RegExp(`${address}.*:\\s+"${text}"`))
  t.regex(gdb.stdout, /<planted_data>:/)
})
