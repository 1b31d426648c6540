import fs from 'node:fs'
import path from 'node:path'
import { ceiling } from './ceiling.js'
import { FOLDER, mixedFile } from './corpus.js'
import { benchImages } from './images.js'
import { type Cost, inTurn, runPipeline } from './measure.js'
import { benchNtfs } from './ntfs.js'
import { benchListing } from './ntfs-listing.js'
import { benchStartUp } from './start-up.js'

/**
 * npm run bench [GIB]: what pmem costs beside what it is made of. Prints ratios of time and of processor time, with
 * the figure that is to be reached; nothing here passes or fails. On a machine that others use, look at processor time.
 */
const operand = process.argv[2] ?? '1'
if (!/^[1-9][0-9]{0,3}$/.test(operand) || process.argv.length > 3) {
  console.error(`bench: ${operand}: not a number of GiB\nhint: usage: npm run bench -- [GIB]`)
  process.exit(64)
}
const gibibytes = Number(operand)
const ROUNDS = gibibytes === 1 ? 5 : 1
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
function row(what: string, base: Cost, measured: Cost, target: number, detail: string): void {
  const [time, processor] = [base.seconds / measured.seconds, base.processor / measured.processor]
  console.log(
    `${what.padEnd(44)} ${time.toFixed(2)}  processor ${processor.toFixed(2)}  to reach ${target.toFixed(2)}\n  ${detail}`,
  )
}
const tellOthers = (others: number) =>
  console.log(`  meanwhile other programs had ${Math.round(others * 100)} % of the processors`)

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
  0.7,
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

for (const [codec, piped, imaged] of [
  ['snappy', 0.5, 0.85],
  ['lz4', 0.5, 0.85],
  ['zlib', 0.85, 0.85],
] as const) {
  const times = await inTurn(ROUNDS, {
    alone: () => ceiling('compress', file, codec, FOLDER),
    stored: () => ceiling('store', file, codec, FOLDER),
    imager: pipeline(`${bin('pmem')} -q -t -c ${codec} -i ${file} -o ${volume}`),
    pipeline: pipeline(
      `${bin('file-cat')} ${file} | ${bin('pmem-compress')} ${codec} | ${bin('aff4-sink')} -t ${volume}`,
    ),
  })
  const beside = `the codec alone ${rate(times.alone)}; the codec, storing ${rate(times.stored)}`
  row(`pmem -c ${codec} -i / the codec alone`, times.alone, times.imager, imaged, rate(times.imager))
  row(`pmem -c ${codec} -i / the codec, storing`, times.stored, times.imager, imaged, beside)
  row(
    `file-cat | pmem-compress ${codec} | aff4-sink`,
    times.alone,
    times.pipeline,
    piped,
    `${rate(times.pipeline)}; volume ${(fs.statSync(volume).size / bytes).toFixed(3)} of the input`,
  )
  tellOthers(times.others)
  if (codec === 'lz4') continue

  const hashed = `${bin('pmem-hash')} sha256 | ${bin('pmem-compress')} ${codec}`
  await runPipeline(`${bin('file-cat')} ${file} | ${hashed} | ${bin('aff4-sink')} -t ${volume}`)
  const reads = await inTurn(ROUNDS, {
    alone: () => ceiling('load', file, codec, FOLDER),
    unzip: pipeline(`unzip -p ${volume} > /dev/null`),
    cat: pipeline(`${bin('aff4-cat')} ${volume} | ${bin('raw-sink')} - > /dev/null`),
    verify: pipeline(`${bin('aff4-verify')} ${volume} > /dev/null`),
  })
  const out = `aff4-cat | raw-sink - (${codec})`
  row(
    `${out} / the codec and SHA-256`,
    reads.alone,
    reads.cat,
    0.5,
    `${rate(reads.cat)}; ${rate(reads.alone)}`,
  )
  row(`${out} / unzip -p, which decodes nothing`, reads.unzip, reads.cat, 0.5, rate(reads.unzip))
  row(`aff4-verify (${codec}) / the codec and SHA-256`, reads.alone, reads.verify, 0.5, rate(reads.verify))
  tellOthers(reads.others)
}

await benchImages(row)
await benchNtfs(row)
await benchListing(row)
await benchStartUp()

console.log(`\npeak memory at ${gibibytes} GiB, to stay below 200 MiB`)
for (const [name, peak] of [...peaks].sort()) console.log(`  ${name.padEnd(20)} ${peak.toFixed(0)} MiB`)
fs.rmSync(FOLDER, { recursive: true })
