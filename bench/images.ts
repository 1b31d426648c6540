import fs from 'node:fs'
import path from 'node:path'
import { type CoreSegment, elfCoreLayout } from '../src/formats/elf/core-layout.js'
import { DIRECT_MAP, TINY_KERNEL_RUNS, tinyKernel, vmcoreinfoNote } from '../test/formats/tiny-kernel.js'
import { FOLDER, mixedFile } from './corpus.js'
import { type Cost, inTurn, runPipeline } from './measure.js'
import type { Row } from './row.js'

const SIZE = 2 ** 30
const ROUNDS = 3
const X86_64 = 62
const bin = (name: string) => path.resolve('bin', name)

/** Prints what images cost beside the programs that others have for them. */
export async function benchImages(row: Row): Promise<void> {
  const raw = mixedFile(SIZE)
  await benchEwfWriting(row, raw)
  await benchEwfReading(row, raw)
  await benchCopy(row, raw)
  await benchKdump(row, raw)
  fs.rmSync(raw)
}

/** A disk into an E01, both with MD5 and SHA-1, the same level of zlib, into the same file system. */
async function benchEwfWriting(row: Row, raw: string): Promise<void> {
  const [ours, theirs] = [path.join(FOLDER, 'ours.E01'), path.join(FOLDER, 'theirs')]
  const { others, ...costs } = await inTurn(ROUNDS, {
    ours: () => runPipeline(`${bin('file-cat')} ${raw} | ${bin('ewf-sink')} -t ${ours}`),
    theirs: () =>
      runPipeline(
        `rm -f ${theirs}.E01; ewfacquirestream -q -c fast -d sha1 -t ${theirs} < ${raw} > /dev/null 2>&1`,
      ),
  })
  row('file-cat | ewf-sink / ewfacquirestream -c fast', costs.theirs, costs.ours, 1, tell(costs))
  console.log(`  meanwhile other programs had ${Math.round(others * 100)} % of the processors`)
  for (const file of [ours, `${theirs}.E01`]) fs.rmSync(file)
}

/** An E01 back into a raw image, both with the MD5 that it carries. */
async function benchEwfReading(row: Row, raw: string): Promise<void> {
  const [image, ours, theirs] = ['read', 'ours.raw', 'theirs'].map((name) => path.join(FOLDER, name))
  await runPipeline(`ewfacquirestream -q -c fast -t ${image} < ${raw} > /dev/null 2>&1`)
  const { others, ...costs } = await inTurn(ROUNDS, {
    ours: () => runPipeline(`${bin('image-cat')} ${image}.E01 | ${bin('raw-sink')} -t ${ours}`),
    theirs: () =>
      runPipeline(
        `rm -f ${theirs}.*; ewfexport -u -q -f raw -o 0 -t ${theirs} ${image}.E01 < /dev/null > /dev/null 2>&1`,
      ),
  })
  row('image-cat E01 | raw-sink / ewfexport -f raw', costs.theirs, costs.ours, 1, tell(costs))
  console.log(`  meanwhile other programs had ${Math.round(others * 100)} % of the processors`)
  for (const file of [`${image}.E01`, ours!, `${theirs}.raw`, `${theirs}.raw.info`])
    fs.rmSync(file, { force: true })
}

/** A file as it is, through two of our tools. */
async function benchCopy(row: Row, raw: string): Promise<void> {
  const [ours, theirs] = [path.join(FOLDER, 'ours.raw'), path.join(FOLDER, 'theirs.raw')]
  const { others, ...costs } = await inTurn(ROUNDS, {
    ours: () => runPipeline(`${bin('file-cat')} ${raw} | ${bin('raw-sink')} -t ${ours}`),
    theirs: () => runPipeline(`dd bs=1M status=none conv=fsync if=${raw} of=${theirs}`),
  })
  row('file-cat | raw-sink / dd bs=1M conv=fsync', costs.theirs, costs.ours, 0.6, tell(costs))
  console.log(`  meanwhile other programs had ${Math.round(others * 100)} % of the processors`)
  for (const file of [ours, theirs]) fs.rmSync(file)
}

/** An ELF core into a kernel dump at level 1 of zlib, and that of makedumpfile into one of pages as they are. */
async function benchKdump(row: Row, raw: string): Promise<void> {
  const [core, ours, theirs, copy] = ['memory.core', 'ours.kdump', 'theirs.kdump', 'copy.kdump'].map((name) =>
    path.join(FOLDER, name),
  ) as [string, string, string, string]
  writeKernelCore(core, raw)
  const quiet = '> /dev/null 2>&1'
  const stored = `${bin('kdump-sink')} -q -t --compress none`
  const { others, ...written } = await inTurn(ROUNDS, {
    ours: () => runPipeline(`${bin('image-cat')} ${core} | ${bin('kdump-sink')} -q -t ${ours}`),
    theirs: () => runPipeline(`rm -f ${theirs}; makedumpfile -c -d 0 ${core} ${theirs} ${quiet}`),
  })
  row('image-cat | kdump-sink / makedumpfile -c -d 0', written.theirs, written.ours, 1, tell(written))
  console.log(`  meanwhile other programs had ${Math.round(others * 100)} % of the processors`)
  const { others: _, ...read } = await inTurn(ROUNDS, {
    ours: () => runPipeline(`${bin('image-cat')} ${theirs} | ${stored} ${copy}`),
    theirs: () => runPipeline(`rm -f ${copy}; makedumpfile -d 0 ${theirs} ${copy} ${quiet}`),
  })
  row('a dump decompressed / makedumpfile -d 0', read.theirs, read.ours, 1, tell(read))
  for (const file of [core, ours, theirs, copy]) fs.rmSync(file)
}

/** The bytes of a file as the memory of a kernel that makedumpfile takes. */
function writeKernelCore(core: string, raw: string): void {
  const { memory, vmcoreinfo } = tinyKernel()
  const [tables, rest] = TINY_KERNEL_RUNS.map(({ start, length }) => ({
    paddr: start,
    vaddr: DIRECT_MAP + start,
    length,
    bytes: memory.subarray(Number(start), Number(start + length)),
  })) as [KernelSegment, KernelSegment]
  const bytes = fs.readFileSync(raw)
  bytes.set(rest.bytes)
  const runs = [tables, { ...rest, length: BigInt(bytes.length), bytes }]
  const notes = [vmcoreinfoNote(vmcoreinfo)]
  const { header, segments } = elfCoreLayout({ machine: X86_64, flags: 0, notes }, runs)
  const fd = fs.openSync(core, 'w')
  fs.writeSync(fd, header, 0, header.length, 0)
  for (const [i, run] of runs.entries())
    fs.writeSync(fd, run.bytes, 0, run.bytes.length, Number(segments[i]!.offset))
  fs.closeSync(fd)
}

interface KernelSegment extends CoreSegment {
  readonly bytes: Buffer
}

const tell = (costs: Record<string, Cost>) =>
  Object.entries(costs)
    .map(([name, { seconds, processor }]) => `${name} ${seconds.toFixed(2)} s (${processor.toFixed(2)})`)
    .join(', ')
