import fs from 'node:fs'
import path from 'node:path'
import { codecCeiling } from './ceiling.js'
import { FOLDER, mixedFile } from './corpus.js'
import { type Cost, inTurn, runPipeline } from './measure.js'

/**
 * npm run bench [GIB]: what pmem costs beside what it is made of. Prints ratios of time and of processor time, with
 * the figure that is to be reached; nothing here passes or fails. On a machine that others use, look at processor time.
 */
const gibibytes = Number(process.argv[2] ?? 1)
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

for (const [codec, target] of [
  ['snappy', 0.5],
  ['lz4', 0.5],
  ['zlib', 0.85],
] as const) {
  const times = await inTurn(ROUNDS, {
    ceiling: () => codecCeiling(file, codec),
    pipeline: pipeline(
      `${bin('file-cat')} ${file} | ${bin('pmem-compress')} ${codec} | ${bin('aff4-sink')} -t ${volume}`,
    ),
  })
  row(
    `file-cat | pmem-compress ${codec} | aff4-sink`,
    times.ceiling,
    times.pipeline,
    target,
    `${rate(times.pipeline)}; the codec alone ${rate(times.ceiling)}; volume ${(fs.statSync(volume).size / bytes).toFixed(3)} of the input`,
  )
  tellOthers(times.others)
}

console.log(`\npeak memory at ${gibibytes} GiB, to stay below 200 MiB`)
for (const [name, peak] of [...peaks].sort()) console.log(`  ${name.padEnd(20)} ${peak.toFixed(0)} MiB`)
fs.rmSync(FOLDER, { recursive: true })
