import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { elfCoreLayout } from '../../../src/formats/elf/core-layout.js'
import { DIRECT_MAP, TINY_KERNEL_RUNS, tinyKernel, vmcoreinfoNote } from '../tiny-kernel.js'

const run = promisify(execFile)
const X86_64 = 62

/** The tiny kernel's memory as an ELF core. */
export function tinyCore(): Buffer {
  const { memory, vmcoreinfo } = tinyKernel()
  const { header, segments, size } = elfCoreLayout(
    { machine: X86_64, flags: 0, notes: [vmcoreinfoNote(vmcoreinfo)] },
    TINY_KERNEL_RUNS.map(({ start, length }) => ({ paddr: start, vaddr: DIRECT_MAP + start, length })),
  )
  const core = Buffer.alloc(Number(size))
  core.set(header)
  for (const { paddr, length, offset } of segments)
    core.set(memory.subarray(Number(paddr), Number(paddr + length)), Number(offset))
  return core
}

/** Its bytes, a buffer for each run. */
export function tinyRuns(): Buffer[] {
  const { memory } = tinyKernel()
  return TINY_KERNEL_RUNS.map(({ start, length }) => memory.subarray(Number(start), Number(start + length)))
}

/**
 * Has makedumpfile convert a dump.
 * @param options its options without files; `--split` gives two files, `-F` and `-R` use pipes
 * @returns the files that it wrote
 */
export async function makedumpfile(input: Buffer, options: readonly string[]): Promise<Buffer[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'pmem-makedumpfile-'))
  try {
    const [from, ...to] = ['in', 'out', 'out2'].map((name) => path.join(folder, name)) as [
      string,
      ...string[],
    ]
    await writeFile(from, input)
    const files = options.includes('--split') ? to : to.slice(0, 1)
    if (options.includes('-F'))
      await run('sh', ['-c', `makedumpfile ${options.join(' ')} ${from} > ${to[0]}`])
    else if (options.includes('-R')) await run('sh', ['-c', `makedumpfile -R ${to[0]} < ${from}`])
    else await run('makedumpfile', [...options, from, ...files])
    return await Promise.all(files.map((file) => readFile(file)))
  } finally {
    await rm(folder, { recursive: true })
  }
}
