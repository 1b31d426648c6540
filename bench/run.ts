import fs from 'node:fs'
import path from 'node:path'
import { ceiling } from './ceiling.js'
import { FOLDER, mixedFile } from './corpus.js'
import { benchImager } from './imager.js'
import { benchImages } from './images.js'
import { type Cost, inTurn, runPipeline } from './measure.js'
import { benchNtfs } from './ntfs.js'
import { benchListing } from './ntfs-listing.js'
import { row, tellOthers } from './row.js'
import { benchStartUp } from './start-up.js'

/**
 * npm run bench [GIB]: what pmem costs beside what it is made of, and beside what others have. Prints ratios of time,
 * with those of the slowest and the fastest round, and of processor time, and the figure that is to be reached; nothing
 * here passes or fails. On a machine that others use, look at processor time. PMEM_BENCH_DIR names the place for what is
 * read and written.
 */
const operand = process.argv[2] ?? '1'
if (!/^[1-9][0-9]{0,3}$/.test(operand) || process.argv.length > 3) {
  console.error(`bench: ${operand}: not a number of GiB\nhint: usage: npm run bench -- [GIB]`)
  process.exit(64)
}
const gibibytes = Number(operand)
const ROUNDS = gibibytes <= 2 ? 5 : 1
const bytes = gibibytes * 2 ** 30
const bin = (name: string) => path.resolve('bin', name)
const file = mixedFile(bytes)
const frames = path.join(FOLDER, 'frames')
const volume = path.join(FOLDER, 'bench.aff4')
const peaks = new Map<string, number>()

const pipeline = (script: string) => async () => {
  const run = await runPipeline(script)
  for (const [name, peak] of run.peaks) peaks.set(name, Math.max(peaks.get(name) ?? 0, peak))
  return run
}
const rate = ({ seconds, processor }: Cost) =>
  `${(bytes / 1e6 / seconds).toFixed(0)} MB/s with ${(processor / gibibytes).toFixed(1)} s of processor a GiB`

await runPipeline(`${bin('file-cat')} ${file} > ${frames}`)

const hops = await inTurn(ROUNDS, {
  cat: pipeline(`cat ${frames} | cat | cat > /dev/null`),
  pass: pipeline(`cat ${frames} | ${bin('pmem-decompress')} | cat > /dev/null`),
  catSource: pipeline(`cat ${file} | cat > /dev/null`),
  source: pipeline(`${bin('file-cat')} ${file} | cat > /dev/null`),
  catFile: pipeline(`cat ${file} | cat > ${volume}`),
  sink: pipeline(`cat ${frames} | ${bin('aff4-sink')} -t ${volume}`),
})
row(
  'a hop through a filter / through cat',
  hops.cat,
  hops.pass,
  0.85,
  `${rate(hops.pass)}; cat ${rate(hops.cat)}`,
)
row(
  'file-cat | cat / cat | cat',
  hops.catSource,
  hops.source,
  0.7,
  `${rate(hops.source)}; cat ${rate(hops.catSource)}`,
)
row(
  'frames into aff4-sink / into a file',
  hops.catFile,
  hops.sink,
  0.5,
  `${rate(hops.sink)}; cat ${rate(hops.catFile)}`,
)
tellOthers(hops.others)

await benchImager(file, ROUNDS, pipeline, rate)

for (const codec of ['snappy', 'zlib'] as const) {
  const hashed = `${bin('pmem-hash')} sha256 | ${bin('pmem-compress')} ${codec}`
  await runPipeline(`${bin('file-cat')} ${file} | ${hashed} | ${bin('aff4-sink')} -t ${volume}`)
  await ceiling('store', file, codec, FOLDER)
  const reads = await inTurn(ROUNDS, {
    ceiling: () => ceiling('load', file, codec, FOLDER),
    unzip: pipeline(`unzip -p ${volume} > /dev/null`),
    cat: pipeline(`${bin('aff4-cat')} ${volume} | ${bin('raw-sink')} - > /dev/null`),
    verify: pipeline(`${bin('aff4-verify')} ${volume} > /dev/null`),
  })
  const out = `aff4-cat | raw-sink - (${codec})`
  row(
    `${out} / the codec and SHA-256`,
    reads.ceiling,
    reads.cat,
    0.5,
    `${rate(reads.cat)}; ${rate(reads.ceiling)}`,
  )
  row(`${out} / unzip -p, which decodes nothing`, reads.unzip, reads.cat, 0.5, rate(reads.unzip))
  row(`aff4-verify (${codec}) / the codec and SHA-256`, reads.ceiling, reads.verify, 0.9, rate(reads.verify))
  tellOthers(reads.others)
}

await benchImages(row)
await benchNtfs(row)
await benchListing(row)
await benchStartUp()

console.log(`\npeak memory at ${gibibytes} GiB, to stay below 150 MB`)
for (const [name, peak] of [...peaks].sort()) console.log(`  ${name.padEnd(20)} ${peak.toFixed(0)} MB`)
fs.rmSync(FOLDER, { recursive: true })
