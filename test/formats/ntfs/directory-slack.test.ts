import test from 'ava'
import { carveDirectory, type SlackEntry } from '../../../src/formats/ntfs/directory-slack.js'
import { decodeIndexBlock } from '../../../src/formats/ntfs/index-block.js'
import { encodeNameEntry, protect } from './encode-index.js'
import { makeVolume, openImage, recordAt, rootBlocksAt } from './small-volume.js'

test('a directory gives its old entries from every place, and tells which ones still count', async (t) => {
  const names = Array.from({ length: 30 }, (_, at) => `a file with number ${at}.txt`)
  const { bytes } = makeVolume(t, Object.fromEntries(names.map((name) => [name, ''])), {
    clusterSize: 16384,
    size: 16 << 20,
  })
  const [block] = await rootBlocksAt(bytes)
  const old = encodeNameEntry({ name: 'old name', record: 99, sequence: 3 })
  const copy = encodeNameEntry({ name: names[0]!, record: 64 })
  const record = await recordAt(bytes, 5)
  const inRecord = encodeNameEntry({ name: 'in the record', record: 98 })
  inRecord.copy(bytes, record + bytes.readUInt32LE(record + 24) + 8)
  // Three blocks of the only cluster are beyond the end of the index.
  encodeNameEntry({ name: 'behind', record: 97 }).copy(bytes, block! + 12288 + 512)
  const raw = Buffer.from(bytes.subarray(block!, block! + 4096))
  const decoded = decodeIndexBlock(raw)
  if (typeof decoded === 'string') return t.fail(decoded)
  const undone = Buffer.from(decoded.node.bytes)
  old.copy(undone, 3600)
  copy.copy(undone, 3800)
  protect(undone)
  undone.copy(bytes, block!)
  const { volume } = await openImage(bytes)
  const found: SlackEntry[] = []
  for await (const batch of carveDirectory(volume, await volume.file(5))) found.push(...batch)
  const line = ({ source, number, fileName, live }: SlackEntry) =>
    `${source} ${number} ${fileName.name} ${live}`
  const lines = found.map(line)
  for (const wanted of [
    'block 0 old name false',
    `block 0 ${names[0]} true`,
    'record 5 in the record false',
    'file slack 5 behind false',
  ])
    t.true(lines.includes(wanted), `${wanted}\n${lines.join('\n')}`)
})
