import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { ceiling } from './ceiling.js'
import { FOLDER } from './corpus.js'
import { type Cost, inTurn, type Measured } from './measure.js'
import { AFF4IMAGER_ABSENT, aff4imager, peers } from './peers.js'
import { row, tellOthers } from './row.js'

const bin = (name: string) => path.resolve('bin', name)
/** What the imager and the pipeline are to reach of c-aff4's throughput. */
const BESIDE_AFF4IMAGER = { snappy: 2, lz4: 2, zlib: 1.8 } as const
const PIPELINE_BESIDE_AFF4IMAGER = 1.2
const BESIDE_CEILING = 0.9
const PIPELINE_BESIDE_CEILING = 0.7

/**
 * Prints what a file costs on its way into a volume, through the imager and through a pipeline of three, beside the
 * ceiling, c-aff4's imager and compressors.
 * @param measure runs a shell's words
 */
export async function benchImager(
  file: string,
  rounds: number,
  measure: (script: string) => () => Promise<Cost>,
  rate: (cost: Cost) => string,
): Promise<void> {
  const volume = path.join(FOLDER, 'bench.aff4')
  const beside = peers(file)
  if (aff4imager('snappy', file, 1) === undefined) console.log(AFF4IMAGER_ABSENT)
  for (const codec of ['snappy', 'lz4', 'zlib'] as const) {
    const compress = `${bin('pmem-compress')} ${codec} | ${bin('aff4-sink')} -t ${volume}`
    const theirs = aff4imager(codec, file, os.availableParallelism())
    const others = beside.filter((peer) => peer.codec === codec)
    const times = await inTurn<string>(rounds, {
      ceiling: () => ceiling('store', file, codec, FOLDER),
      imager: measure(`${bin('pmem')} -q -t -c ${codec} -i ${file} -o ${volume}`),
      files: measure(`${bin('file-cat')} ${file} | ${compress}`),
      images: measure(`${bin('image-cat')} --format raw ${file} | ${compress}`),
      ...(theirs !== undefined && { theirs: measure(theirs) }),
      ...Object.fromEntries(others.map(({ what, script }) => [what, measure(script)])),
    })
    const [base, imager, files, images] = ['ceiling', 'imager', 'files', 'images'].map(
      (name) => times[name]!,
    ) as [Measured, Measured, Measured, Measured]
    row(`pmem -c ${codec} -i / the ceiling`, base, imager, BESIDE_CEILING, `${rate(imager)}; ${rate(base)}`)
    const stored = `volume ${(fs.statSync(volume).size / fs.statSync(file).size).toFixed(3)} of the input`
    const piped = `| pmem-compress ${codec} | aff4-sink`
    row(`file-cat ${piped}`, base, files, PIPELINE_BESIDE_CEILING, `${rate(files)}; ${stored}`)
    row(`image-cat ${piped}`, base, images, PIPELINE_BESIDE_CEILING, rate(images))
    if (times.theirs) {
      const detail = `theirs ${rate(times.theirs)}`
      row(`pmem -c ${codec} -i / aff4imager`, times.theirs, imager, BESIDE_AFF4IMAGER[codec], detail)
      row(`file-cat ${piped} / aff4imager`, times.theirs, files, PIPELINE_BESIDE_AFF4IMAGER, detail)
    }
    for (const { what } of others)
      row(`pmem -c ${codec} -i / ${what}`, times[what]!, imager, 1, rate(times[what]!))
    tellOthers(times.others)
  }
  for (const name of ['bench.aff4', 'theirs', 'theirs.aff4', 'theirs.E01'])
    fs.rmSync(path.join(FOLDER, name), { force: true })
}
