import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { FOLDER, mixedFile } from './corpus.js'
import { type Cost, inTurn, runPipeline } from './measure.js'
import { makeVolumes } from './ntfs-volumes.js'
import type { Row } from './row.js'

const SIZE = 2 ** 30
const ROUNDS = 3
const bin = (name: string) => path.resolve('bin', name)

/** Prints what a file of a volume costs beside The Sleuth Kit's icat and ntfs-3g's ntfscat, the page cache warm. */
export async function benchNtfs(row: Row): Promise<void> {
  const { plain, fragmented, fragments } = await makeVolumes(FOLDER, mixedFile(SIZE))
  for (const [what, image, files] of [
    ['1 GiB in one run', plain, ['contiguous']],
    ['1 GiB in runs of 4 KiB', fragmented, fragments],
    ['256 MiB of LZNT1', plain, ['packed/lznt1']],
  ] as const) {
    const records = files.map((name) => recordOf(image, name))
    const frames = `${bin('ntfs-cat')} ${image} ${files.join(' ')}`
    const { others, ...costs } = await inTurn(ROUNDS, {
      frames: () => runPipeline(`${frames} > /dev/null`),
      raw: () =>
        runPipeline(
          files
            .map((file) => `${bin('ntfs-cat')} ${image} ${file} | ${bin('raw-sink')} - > /dev/null`)
            .join('; '),
        ),
      icat: () => runPipeline(records.map((record) => `icat ${image} ${record} > /dev/null`).join('; ')),
      ntfscat: () => runPipeline(files.map((file) => `ntfscat -f ${image} ${file} > /dev/null`).join('; ')),
    })
    const [faster, peer] =
      costs.icat.seconds <= costs.ntfscat.seconds ? [costs.icat, 'icat'] : [costs.ntfscat, 'ntfscat']
    row(`ntfs-cat, ${what} / ${peer}`, faster, costs.frames, 1, tell(costs))
    row(`ntfs-cat | raw-sink -, ${what} / ${peer}`, faster, costs.raw, 1, tell(costs))
    console.log(`  meanwhile other programs had ${Math.round(others * 100)} % of the processors`)
  }
  for (const file of [plain, fragmented]) fs.rmSync(file)
}

const recordOf = (image: string, file: string) =>
  execFileSync('ifind', ['-n', file, image], { encoding: 'utf8' }).trim()

const tell = (costs: Record<string, Cost>) =>
  Object.entries(costs)
    .map(([name, { seconds, processor }]) => `${name} ${seconds.toFixed(2)} s (${processor.toFixed(2)})`)
    .join(', ')
