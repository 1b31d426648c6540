import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { scratch } from '../../../sinks/pipeline.js'
import { bufferSink } from '../../buffer-sink.js'
import { recipes, writeRecipe } from '../recipe.js'
import { check, faults, told } from './check.js'
import { matchedDigests, trueDigests } from './independent.js'

const data = (name: string) => `test/data/aff4/${name}`

/** The reference images, and how many of their digests there are to find true. */
const IMAGES = {
  'Base-Allocated.aff4': 11,
  'Base-Linear-AllHashes.aff4': 17,
  'Base-Linear-prestandard.af4': 9,
} as const

test('every digest of the reference images is found true, as an independent reader does', async (t) => {
  const independent = trueDigests(Object.keys(IMAGES).map((name) => [data(name)]))
  for (const [index, [name, count]] of Object.entries(IMAGES).entries()) {
    const findings = await check(await readFile(data(name)))
    t.deepEqual(
      findings.filter(({ outcome }) => outcome === 'mismatched' || outcome === 'unchecked'),
      [],
      name,
    )
    t.is(independent[index]!.length, count, name)
    t.deepEqual(matchedDigests(findings), independent[index]!, name)
  }
})

test('what nobody can recompute is told, and is no fault', async (t) => {
  const linear = await check(await readFile(data('Base-Linear-AllHashes.aff4')))
  t.deepEqual(
    linear.filter(({ outcome }) => outcome === 'uncheckable').map(({ property }) => property),
    ['imageStreamHash SHA512'],
  )
  const old = await check(await readFile(data('Base-Linear-prestandard.af4')))
  t.deepEqual(
    old.filter(({ outcome }) => outcome === 'uncheckable').map(({ property }) => property),
    ['linearBlockHash SHA1', 'linearBlockHash MD5'],
  )
})

test('a logical file is held against its digests and its size', async (t) => {
  const findings = await check(await readFile(data('dream.aff4')))
  t.deepEqual(faults(findings), [])
  t.deepEqual(
    matchedDigests(findings).map((digest) => digest.split(' ').slice(1)),
    [
      ['hash', 'md5'],
      ['hash', 'sha1'],
    ],
  )
})

test('a volume of the suite is whole, though a label of it lies outside the directory', async (t) => {
  const findings = await check(await readFile(data('pmem2015.aff4')))
  t.deepEqual(findings.map(told), [
    'matched | structure | volume 0 | 6 members: end records, directory and local headers agree',
    'note | unreferenced | volume 0 | 126 bytes in 1 places belong to no member: 1 members that are not listed',
    'matched | CRC | volume 0 | of 6 members',
  ])
})

test('volumes of ours of every codec and chunk size hold, as an independent reader finds', async (t) => {
  const folder = await scratch(t)
  const made = await Promise.all(
    fc.sample(recipes, { numRuns: 30, seed: 7 }).map(async (recipe, index) => {
      const sink = bufferSink()
      const { volume } = await writeRecipe(sink, recipe)
      await volume.finish()
      const file = path.join(folder, `${index}.aff4`)
      await writeFile(file, sink.bytes())
      return file
    }),
  )
  const independent = trueDigests(made.map((file) => [file]))
  for (const [index, file] of made.entries()) {
    const findings = await check(await readFile(file))
    t.deepEqual(faults(findings), [])
    t.deepEqual(
      findings.filter(({ outcome }) => outcome === 'unchecked' || outcome === 'uncheckable'),
      [],
    )
    t.deepEqual(matchedDigests(findings), independent[index]!)
  }
})

test('digests of images and files that came through the pipe hold, as an independent reader finds', async (t) => {
  const folder = await scratch(t)
  const algorithms = 'md5 sha1 sha256 sha512 blake2b512'
  const made: string[] = []
  execFileSync('bash', [
    '-ec',
    `head -c 2500000 /dev/urandom > '${folder}/large'; truncate -s 6M '${folder}/large'; : > '${folder}/empty'`,
  ])
  for (const codec of ['none', 'zlib', 'snappy', 'lz4']) {
    const volume = path.join(folder, `${codec}.aff4`)
    const script = `bin/file-cat '${folder}/large' package.json '${folder}/empty' | bin/pmem-hash ${algorithms} |
      bin/pmem-compress ${codec} | bin/aff4-sink --block-hashes '${volume}'`
    execFileSync('bash', ['-ec', script])
    made.push(volume)
  }
  const independent = trueDigests(made.map((volume) => [volume]))
  for (const [index, volume] of made.entries()) {
    const findings = await check(readFileSync(volume))
    t.deepEqual(faults(findings), [])
    const ofFiles = findings.filter(
      ({ property, subject }) => /^hash /.test(property) && /\/package\.json$/.test(subject),
    )
    t.is(ofFiles.length, 5)
    const ofImages = matchedDigests(findings).filter((digest) => independent[index]!.includes(digest))
    t.deepEqual(ofImages, independent[index]!)
    t.is(
      independent[index]!.filter((digest) => / hash (?:md5|sha1|sha256|sha512|blake2b)$/.test(digest)).length,
      6,
    )
  }
})
