import { createHash } from 'node:crypto'
import test from 'ava'
import { IMAGE_NAMES, image, type ManifestStream } from './image.js'
import { fls, icat, istat, ntfscat, ntfsinfo } from './peers.js'

const LONE = /[\ud800-\udfff]/u

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const folderOf = ({ state, path }: ManifestStream) => `${state} ${path.slice(0, path.lastIndexOf('/') + 1)}`
const nameOf = ({ path, stream }: ManifestStream) => (stream === '' ? path : `${path}:${stream}`)
/** As fls prints it, but for control characters: those it replaces. */
const bytesOf = (stream: ManifestStream) =>
  `${stream.record} ${Buffer.from(nameOf(stream)).toString('latin1')}`

/** Folders of thousands tell with three of theirs what all would. */
function sample(streams: readonly ManifestStream[]): (ManifestStream & { sha256: string })[] {
  const taken = new Map<string, number>()
  return streams.filter((stream): stream is ManifestStream & { sha256: string } => {
    const before = taken.get(folderOf(stream)) ?? 0
    taken.set(folderOf(stream), before + 1)
    return stream.sha256 !== undefined && before < 3
  })
}

/** Debian's Sleuth Kit knows no clusters above 64 KiB. */
const TOO_LARGE_FOR_SLEUTHKIT = ['2m']

/** Of what Windows compresses with WOF both give zeros. */
const wofContents = ({ path, stream }: ManifestStream) => path.startsWith('wof/') && stream === ''

/** ntfscat undoes the fixups of its records. */
const isMirror = ({ record }: ManifestStream) => record === 1

for (const name of IMAGE_NAMES) {
  test(`ntfscat reads the streams of ${name} as its manifest says`, async (t) => {
    const { file, manifest } = await image(name)
    for (const stream of sample(manifest.streams)) {
      if (stream.state === 'deleted' || wofContents(stream) || isMirror(stream)) continue
      t.is(sha256(ntfscat(file, stream.record, stream.stream)), stream.sha256, nameOf(stream))
    }
  })

  if (TOO_LARGE_FOR_SLEUTHKIT.includes(name)) continue
  test(`icat reads the streams of ${name} as its manifest says, deleted ones too`, async (t) => {
    const { file, manifest } = await image(name)
    const addresses = new Map(
      fls(file).map(({ record, pathBytes, address }) => [`${record} ${pathBytes}`, address]),
    )
    let compared = 0
    for (const stream of sample(manifest.streams)) {
      const address = addresses.get(bytesOf(stream)) ?? stream.record
      if (wofContents(stream) || (address === stream.record && stream.stream !== '')) continue
      const options = stream.state === 'deleted' ? ['-r'] : []
      t.is(sha256(icat(file, address, ...options)), stream.sha256, nameOf(stream))
      compared++
    }
    t.true(compared >= 5)
  })
}

test('a file of 31 extents has 31, one of hundreds lies in several records, and $MFT in as many extents', async (t) => {
  const { file, manifest } = await image('crowded')
  const dataOf = (record: number) => ntfsinfo(file, record).filter(({ type }) => type === 0x80)
  const recordOf = (path: string) => manifest.files.find((entry) => entry.path === path)!.record
  t.is(dataOf(recordOf('31 extents')).flatMap(({ runs }) => runs).length, 31)
  const many = dataOf(recordOf('hundreds of extents'))
  t.true(many.flatMap(({ runs }) => runs).length > 300)
  t.true(new Set(many.map(({ record }) => record)).size > 1)
  t.true(dataOf(0).flatMap(({ runs }) => runs).length > 100)
})

test('all names of all scripts are there, lone surrogates among them', async (t) => {
  const { manifest } = await image('4k')
  const names = manifest.files.filter(({ path }) => path.startsWith('names/'))
  t.is(names.length, 5000)
  t.true(names.filter(({ path }) => LONE.test(path)).length > 100)
  t.is(manifest.files.filter(({ path }) => path === 'colons/host:stream').length, 1)
  t.is(manifest.streams.filter(({ path, stream }) => path === 'colons/host' && stream === 'stream').length, 1)
})

test('what is uninitialised reads as zeros, and its clusters hold something else', async (t) => {
  const { file, manifest } = await image('4k')
  const tail = manifest.streams.find(({ path }) => path === 'valid/tail')!
  const bytes = ntfscat(file, tail.record)
  t.is(bytes.length, 262_144)
  t.true(bytes.subarray(10_000).every((byte) => byte === 0))
  t.is(istat(file, tail.record).attributes.find(({ type }) => type === 0x80)!.initialised, 10_000n)
})

test('the tree of a folder has four levels', async (t) => {
  const { file, manifest } = await image('512')
  const { record } = manifest.files.find((entry) => entry.path === 'tree')!
  t.is(manifest.files.filter((entry) => entry.path.startsWith('tree/')).length, 500)
  const blocks = icat(file, `${record}-160`)
  const unit = 512
  /** VCN of the first child of a node; undefined in a leaf. */
  const firstChild = (node: Buffer): number | undefined => {
    const entry = node.subarray(node.readUInt32LE(0))
    return (entry.readUInt16LE(12) & 1) === 1 ? entry.readUInt32LE(entry.readUInt16LE(8) - 8) : undefined
  }
  let levels = 1
  let child = firstChild(icat(file, `${record}-144`).subarray(16))
  while (child !== undefined) {
    const block = Buffer.from(blocks.subarray(child * unit, child * unit + 4096))
    const array = block.readUInt16LE(4)
    for (let stride = 1; stride <= 8; stride++)
      block.copy(block, stride * 512 - 2, array + 2 * stride, array + 2 * stride + 2)
    levels++
    child = firstChild(block.subarray(24))
  }
  t.true(levels >= 4, `${levels}`)
})
