import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { FOLDER } from './corpus.js'
import { inTurn, runPipeline } from './measure.js'
import type { Row } from './row.js'

const ROUNDS = 3
const FILES_A_FOLDER = 100

/** Prints what a listing of all entries costs beside The Sleuth Kit's fls, the page cache warm. */
export async function benchListing(row: Row): Promise<void> {
  for (const entries of [5000, 200_000]) {
    const image = makeVolume(entries)
    const list = path.resolve('bin/ntfs-ls')
    const { fls, ours, others } = await inTurn(ROUNDS, {
      fls: () => runPipeline(`fls -r ${image} > /dev/null`),
      ours: () => runPipeline(`${list} -r ${image} > /dev/null`),
    })
    const detail = `ntfs-ls ${ours.processor.toFixed(2)} s of processor, fls ${fls.processor.toFixed(2)} s`
    row(`ntfs-ls -r, ${entries} entries / fls -r`, fls, ours, 1 / 1.5, detail)
    console.log(`  meanwhile other programs had ${Math.round(others * 100)} % of the processors`)
    fs.rmSync(image)
  }
}

/** Empty files in folders of a hundred; wimlib writes them to the volume without a mount. */
function makeVolume(entries: number): string {
  fs.mkdirSync(FOLDER, { recursive: true })
  const [image, tree, archive] = ['listing.ntfs', 'listing', 'listing.wim'].map((name) =>
    path.join(FOLDER, name),
  ) as [string, string, string]
  for (let folder = 0; folder < entries / FILES_A_FOLDER; folder++) {
    const place = path.join(tree, `folder ${folder % 40}`, `folder ${folder}`)
    fs.mkdirSync(place, { recursive: true })
    for (let file = 0; file < FILES_A_FOLDER; file++)
      fs.writeFileSync(path.join(place, `document number ${file}.txt`), '')
  }
  fs.writeFileSync(image, '')
  fs.truncateSync(image, 2 ** 26 + entries * 4096)
  const run = (program: string, ...words: string[]) => execFileSync(program, words, { stdio: 'pipe' })
  run('mkntfs', '-F', '-Q', '-q', image)
  run('wimlib-imagex', 'capture', tree, archive, '--compress=none')
  run('wimlib-imagex', 'apply', archive, '1', image)
  fs.rmSync(tree, { recursive: true })
  fs.rmSync(archive)
  return image
}
