import { readdirSync, readFileSync } from 'node:fs'
import type { Bytes } from '../../src/formats/byte-source.js'
import { FormatError } from '../../src/formats/format-error.js'
import { FORMATS } from '../../src/formats/image/formats.js'
import type { ImageFormat } from '../../src/formats/image/image.js'
import { detect } from '../../src/formats/image/image-file.js'
import { TELLING_SIZE } from '../../src/formats/recognise.js'
import { bufferSource } from '../formats/buffer-source.js'
import { surroundingsOf } from '../formats/image/surroundings.js'
import { fuzzImage } from './images.js'
import { createRandom, mutate } from './mutate.js'

const FOLDER = 'test/data/images'
const ELSEWHERE = ['test/data/linpmem-style.elf']
/** Mutants of a file's own format from one of each other format to the next. */
const OTHERS_EACH = 20

/**
 * Damages every image below test/data/images and reads it: as what it is, now and then as what it is not, as
 * `--format` allows.
 * @param count mutants of each image
 * @param mostTime processor time that one may take, in milliseconds
 * @param say told what comes, and which formats have no image there
 * @throws what a reader threw that it must not; the message says how to do it again
 */
export async function fuzzImageFixtures(
  count: number,
  seed: number,
  mostTime: number,
  say: (line: string) => void,
): Promise<void> {
  const files = readFixtures()
  const seen = new Set<string>(['raw'])
  for (const [name, bytes] of Object.entries(files)) {
    const format = await formatOf(name, bytes)
    if (!format || format.name === 'raw') continue
    seen.add(format.name)
    say(`${name}: ${format.title}, ${count} times`)
    const surroundings = () => surroundingsOf(name, files)
    for (const other of FORMATS) {
      const times = other === format ? count : Math.ceil(count / OTHERS_EACH)
      await fuzzImage(other, bytes, surroundings, times, seed, mostTime).catch((error) => {
        throw new Error(`${name} as ${other.name}`, { cause: error })
      })
    }
    await fuzzDetection(name, bytes, count, seed)
  }
  for (const { name, title } of FORMATS) if (!seen.has(name)) say(`no image of ${title} stands in ${FOLDER}`)
}

function readFixtures(): Record<string, Buffer> {
  const names = readdirSync(FOLDER).filter((name) => !name.endsWith('.md'))
  const paths = [...names.map((name) => `${FOLDER}/${name}`), ...ELSEWHERE]
  return Object.fromEntries(paths.map((path) => [path.slice(path.lastIndexOf('/') + 1), readFileSync(path)]))
}

/** Undefined for what is named and not read. */
async function formatOf(name: string, bytes: Bytes): Promise<ImageFormat | undefined> {
  try {
    return await detect(bufferSource(bytes, name))
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

/** Whatever a file begins with, each format says whether it is its own. */
async function fuzzDetection(name: string, bytes: Buffer, count: number, seed: number): Promise<void> {
  for (let round = 0; round < count; round++) {
    const number = seed + round * 7919
    const mutant = mutate(bytes, createRandom(number))
    const source = bufferSource(mutant, name)
    for (const format of FORMATS)
      try {
        await format.recognises(mutant.subarray(0, TELLING_SIZE), source)
      } catch (error) {
        throw new Error(`${name}: whether it is ${format.name}, with seed ${number}`, { cause: error })
      }
  }
}
