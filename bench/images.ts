import fs from 'node:fs'
import path from 'node:path'
import { FOLDER, mixedFile } from './corpus.js'
import { type Cost, inTurn, runPipeline } from './measure.js'

const SIZE = 2 ** 28
const ROUNDS = 3
const bin = (name: string) => path.resolve('bin', name)

export type Row = (what: string, base: Cost, measured: Cost, target: number, detail: string) => void

/** Prints what images cost beside the programs that others have for them. */
export async function benchImages(row: Row): Promise<void> {
  const raw = mixedFile(SIZE)
  await benchEwfWriting(row, raw)
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

const tell = (costs: Record<string, Cost>) =>
  Object.entries(costs)
    .map(([name, { seconds, processor }]) => `${name} ${seconds.toFixed(2)} s (${processor.toFixed(2)})`)
    .join(', ')
