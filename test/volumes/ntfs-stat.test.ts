import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { FILE_FLAG } from '../../src/formats/ntfs/file-flags.js'
import { formatFiletime } from '../../src/formats/ntfs/filetime.js'
import { decodeIndexBlock } from '../../src/formats/ntfs/index-block.js'
import { tool } from '../../src/volumes/ntfs-stat.js'
import { encodeNameEntry, protect } from '../formats/ntfs/encode-index.js'
import { attributeOf, edit } from '../formats/ntfs/images/editor.js'
import {
  type Image,
  type ImageName,
  image,
  type ManifestFile,
  realImage,
} from '../formats/ntfs/images/image.js'
import { istat, ntfsinfo } from '../formats/ntfs/images/peers.js'
import { BLOCK, makeShadowVolume } from '../formats/ntfs/shadow-copies/shadow-maker.js'
import { deleteRecord, makeVolume, rootBlocksAt } from '../formats/ntfs/small-volume.js'
import { scratch } from '../sinks/pipeline.js'
import { REAL_OFFSET, truth } from './ntfs/peer-images.js'
import { tell } from './ntfs/run.js'

interface Times {
  created: string | null
  modified: string | null
  changed: string | null
  accessed: string | null
}

interface Name extends Times {
  name: string
  namespace: string
  parent: { record: number; sequence: number }
  size: string
  allocated: string
  flags: string[]
  entry: (Times & { source: string; size: string; allocated: string }) | null
}

interface Attribute {
  address: string
  type: number
  id: number
  record: number
  name: string
  resident: boolean
  flags: string[]
  size: string
  allocated: string
  initialised: string
  compressionUnit: number
  runs: { vcn: number; lcn: number | null; length: number; kind: string }[]
  reused?: { clusters: number; inUse: number }
}

interface Stat {
  volume: {
    label: string
    version: string
    flags: string[]
    clusterSize: number
    shadowCopies: { index: number; id: string; created: string; offline: boolean }[]
    snapshot: number | null
  }
  record: number
  sequence: number
  inUse: boolean
  directory: boolean
  links: number
  nameCount: number
  base: { record: number } | null
  extensions: { record: number }[]
  paths: { path: string; state: string }[]
  security?: { id: number | null; owner: string; group: string; sddl: string }
  standardInformation: Times & { flags: string[]; usn?: string }
  names: Name[]
  objectId?: { id: string }
  reparsePoint?: { name: string; target?: string; wof?: { algorithm: string } }
  extendedAttributes?: { name: string; value: string }[]
  linux?: { uid: number }
  indexes: {
    name: string
    levels: number
    entries: number
    blocks: number
    reached: number
    inUse?: number
  }[]
  attributes: Attribute[]
  findings: string[]
}

async function stat(file: string, ...words: string[]): Promise<Stat> {
  const { status, stdout, messages } = await tell(tool, '--json', file, ...words)
  if (status !== 0 && status !== 2) throw new Error(messages.join('\n'))
  return JSON.parse(stdout) as Stat
}

/** What stands in the root, and the first file of each folder. */
function sample({ manifest }: Image): ManifestFile[] {
  const taken = new Set(['.'])
  return manifest.files.filter(({ path: name }) => {
    const folder = path.dirname(name)
    return folder === '.' || (!taken.has(folder) && taken.add(folder))
  })
}

const fileIn = ({ manifest }: Image, wanted: string) => manifest.files.find((file) => file.path === wanted)!
const nanoseconds = (time: string | null) => time?.replace('T', ' ').replace('Z', '00')
const sorted = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).sort()

for (const name of ['512', 'sectors'] satisfies ImageName[])
  test(`header, times, owner and attributes are those of istat: ${name}`, async (t) => {
    const volume = await image(name)
    for (const { record, path } of sample(volume)) {
      const own = await stat(volume.file, String(record))
      const peer = istat(volume.file, record, '-z', 'UTC')
      t.deepEqual(
        [own.sequence, own.links, own.inUse, own.findings],
        [peer.sequence, peer.links, peer.allocated, []],
        path,
      )
      const [standard, fileName] = peer.times
      // Of several names istat shows one.
      const only = own.nameCount === 1 ? fileName : undefined
      for (const [times, told] of [
        [own.standardInformation, standard],
        [own.names[0], only],
      ] as const)
        if (told)
          for (const field of ['created', 'modified', 'changed', 'accessed'] as const)
            t.is(nanoseconds(times![field]), told[field], `${path} ${field}`)
      // istat numbers what stands in further records anew.
      const ids = own.extensions.length === 0
      t.deepEqual(
        sorted(
          own.attributes.map(({ type, id, name, resident, size, initialised }) => [
            type,
            ids && id,
            name,
            resident,
            Number(size),
            resident ? null : Number(initialised),
          ]),
        ),
        sorted(
          peer.attributes.map(({ type, id, name, resident, size, initialised = size }) => [
            type,
            ids && id,
            name,
            resident,
            Number(size),
            resident ? null : Number(initialised),
          ]),
        ),
        path,
      )
      const [, key, owner] = /^Security ID: (\d+) {2}\((S-[\d-]+)\)/m.exec(peer.text) ?? []
      if (key !== undefined && key !== '0') t.like(own.security, { id: Number(key), owner })
    }
  })

for (const name of ['512', 'crowded'] satisfies ImageName[])
  test(`runs are those of ntfsinfo, holes among them: ${name}`, async (t) => {
    const volume = await image(name)
    let holes = 0
    let most = 0
    for (const { record, path } of sample(volume)) {
      const own = await stat(volume.file, String(record))
      const told = ntfsinfo(volume.file, record).flatMap(({ type, runs }) =>
        runs.map(({ vcn, lcn, length }) => [type, vcn, lcn ?? null, length]),
      )
      const mine = own.attributes.flatMap(({ type, runs }) =>
        runs.map(({ vcn, lcn, length }) => [type, vcn, lcn, length]),
      )
      holes += mine.filter(([, , lcn]) => lcn === null).length
      most = Math.max(most, mine.length)
      // ntfsinfo does not show the attribute list's own runs.
      if (own.extensions.length === 0) t.deepEqual(sorted(mine), sorted(told), path)
      else
        t.deepEqual(
          sorted(mine.filter(([type]) => type === 0x80)),
          sorted(told.filter(([type]) => type === 0x80)),
          path,
        )
    }
    t.true(name === '512' ? holes >= 3 : most > 100, `${holes} ${most}`)
  })

/** ntfssecaudit works for nobody else. */
const root = process.getuid?.() === 0 ? [] : ['sudo', '-n']

test('owner and group are those of ntfssecaudit, from descriptors of either kind', async (t) => {
  const volume = await image('512')
  for (const name of ['metadata/descriptor', 'size-100', 'reparse']) {
    const words = [...root, 'ntfssecaudit', volume.file, name]
    const told = execFileSync(words[0]!, words.slice(1), { encoding: 'utf8', stdio: 'pipe' })
    const [, owner] = /Windows owner (S-[\d-]+)/.exec(told)!
    const [, group] = /Windows group (S-[\d-]+)/.exec(told)!
    t.like((await stat(volume.file, name)).security, { owner, group }, name)
  }
})

for (const name of ['ntfs-lastaccess', 'ntfs-ptrn'] as const)
  test(`the three sets of times of a volume by Windows, each as it stands: ${name}`, async (t) => {
    const file = await realImage(name)
    const iso = (ticks: string | undefined) => formatFiletime(BigInt(ticks!)) || null
    const timesOf = (row: Record<string, string>) => ({
      created: iso(row.created),
      modified: iso(row.modified),
      changed: iso(row.mft_modified),
      accessed: iso(row.accessed),
    })
    const entries = truth(name, 'i30').filter(({ source }) => source === 'live')
    const stats = new Map<number, Stat>()
    for (const row of truth(name, 'si_fn')) {
      const [record, sequence] = row['record-seq']!.split('-').map(Number)
      if (row.in_use !== '1') continue
      const own = stats.get(record!) ?? (await stat(file, String(record)))
      stats.set(record!, own)
      // A record that holds attributes of another one has them apart.
      if (own.base) continue
      t.is(sequence, own.sequence)
      if (row.attr === 'SI') t.like(own.standardInformation, timesOf(row))
      else {
        const found = own.names.find(({ name }) => name === row.name)
        t.like(found, timesOf(row), row.name)
        t.is(Number(found!.size), Number(row.size))
      }
    }
    t.true(stats.size > 15)
    let compared = 0
    for (const row of entries) {
      const [record] = row.ref!.split('-').map(Number)
      const own = stats.get(record!)
      const found = own?.names.find(
        ({ name, parent }) => name === row.name && parent.record === Number(row.dir_record),
      )
      if (!found) continue
      t.like(found.entry, timesOf(row), `${row.dir_record}/${row.name}`)
      compared++
    }
    t.true(compared > 10, String(compared))
  })

test('a file whose index entry was not told when it was accessed', async (t) => {
  const file = await realImage('ntfs-lastaccess')
  const own = await stat(file, '/test/1.txt', '--offset', String(REAL_OFFSET))
  t.is(own.standardInformation.accessed, '2019-03-03T12:37:55.2936738Z')
  t.is(own.names[0]!.accessed, '2019-03-03T12:35:06.4811892Z')
  t.is(own.names[0]!.entry!.accessed, '2019-03-03T12:35:17.2003305Z')
  t.is(own.security!.owner, 'S-1-5-21-2341207468-2645333676-3461800803-1001')
})

test('without an operand it is the root', async (t) => {
  const volume = await image('512')
  const own = await stat(volume.file)
  t.like(own, { record: 5, sequence: 5, directory: true, inUse: true, paths: [{ path: '/', state: 'live' }] })
  t.like(own.volume, { label: 'pmem', version: '3.1', snapshot: null, shadowCopies: [] })
})

test('the index of a directory: what the manifest has in it, and blocks as $BITMAP has them', async (t) => {
  const volume = await image('512')
  const own = await stat(volume.file, 'tree')
  const [index] = own.indexes
  const inside = volume.manifest.files.filter((file) => path.dirname(file.path) === 'tree')
  t.is(index!.entries, inside.length)
  t.true(index!.levels >= 3)
  t.is(index!.inUse, index!.reached)
  const allocation = own.attributes.find(({ type }) => type === 0xa0)!
  t.is(index!.blocks * 4096, Number(allocation.size))
})

test('what files have besides: EAs, object ids, reparse points, short names', async (t) => {
  const volume = await image('512')
  const eas = await stat(volume.file, 'metadata/extended attributes')
  t.deepEqual(
    eas.extendedAttributes!.map(({ name, value }) => [name, value]),
    [
      ['PMEM.EA', Buffer.from('0123456789').toString('hex')],
      ['$LXUID', 'e8030000'],
    ],
  )
  t.is(eas.linux!.uid, 1000)
  const withId = fileIn(volume, 'metadata/object id')
  const { objectId } = await stat(volume.file, String(withId.record))
  const bytes = Buffer.from(withId.objectId!, 'hex')
  t.is(objectId!.id.slice(-12), bytes.toString('hex', 10, 16))
  t.like((await stat(volume.file, 'reparse/relative')).reparsePoint, { name: 'symlink', target: 'file' })
  t.like((await stat(volume.file, 'reparse/wsl')).reparsePoint, { name: 'wsl-symlink', target: 'file' })
  const short = await stat(volume.file, 'metadata/ALONGN~1.DOC')
  t.is(short.links, 2)
  t.deepEqual(short.names.map(({ namespace }) => namespace).sort(), ['DOS', 'Win32'])
  t.deepEqual(
    short.paths.map(({ path }) => path),
    ['/metadata/A long name beside a short one.document'],
  )
  const wof = await image('wof')
  const compact = wof.manifest.streams.find(({ stream }) => stream === 'WofCompressedData')!
  t.truthy((await stat(wof.file, String(compact.record))).reparsePoint!.wof!.algorithm)
})

test('compressed and sparse streams are told as such, and where they have no clusters', async (t) => {
  const volume = await image('512')
  const compressed = (await stat(volume.file, 'lznt1/hole')).attributes.find(({ type }) => type === 0x80)!
  t.deepEqual(compressed.flags, ['compressed'])
  t.is(compressed.compressionUnit, 16)
  const { stdout } = await tell(tool, volume.file, 'sparse/holes')
  t.regex(stdout, /^ +\d+ +sparse +\d+$/m)
  t.regex(stdout, /^ +VCN +LCN +CLUSTERS$/m)
})

test('every link of a file has its path', async (t) => {
  const volume = await image('512')
  const { record } = fileIn(volume, 'links/many')
  const own = await stat(volume.file, String(record))
  const wanted = volume.manifest.files.filter((file) => file.record === record)
  t.deepEqual(own.paths.map(({ path }) => path).sort(), wanted.map(({ path }) => `/${path}`).sort())
  t.is(own.links, own.nameCount)
})

test('a record that holds attributes of another file is shown as that', async (t) => {
  const volume = await image('512')
  const { record } = fileIn(volume, 'links/many')
  const { extensions } = await stat(volume.file, String(record))
  const own = await stat(volume.file, String(extensions[0]!.record))
  t.is(own.base!.record, record)
  t.true(own.attributes.length > 0)
  t.deepEqual(own.findings, [])
  const { stdout } = await tell(tool, volume.file, String(extensions[0]!.record))
  t.regex(stdout, new RegExp(`base record +${record}-\\d+, which ntfs-stat shows as ${record}`))
})

test('deleted files: their state and path, and how many of their clusters others use by now', async (t) => {
  const volume = await image('512')
  const deleted = volume.manifest.streams.filter(({ state }) => state === 'deleted')
  const large = deleted.find(({ path }) => path === 'deleted/large')!
  const own = await stat(volume.file, String(large.record))
  t.like(own, { inUse: false, paths: [{ path: '/deleted/large', state: 'live' }] })
  const data = own.attributes.find(({ type }) => type === 0x80)!
  t.deepEqual(data.reused, { clusters: Math.ceil(50_000 / 512), inUse: 0 })
  t.is((await tell(tool, volume.file, 'deleted/large')).status, 65)
  t.is((await stat(volume.file, '--deleted', 'deleted/large')).record, large.record)
  const below = await stat(volume.file, '--deleted', 'deleted/one/two/orphan')
  t.deepEqual(below.paths, [{ path: '/deleted/one/two/orphan', state: 'deleted' }])
})

test('clusters of a deleted file that are in use again are counted', async (t) => {
  const { file, manifest } = await image('small')
  const volume = edit({ file, manifest })
  const record = volume.record('size-12288')
  volume.edit(record, (bytes) => bytes.writeUInt16LE(0, 22))
  const changed = path.join(await scratch(t), 'image')
  writeFileSync(changed, volume.bytes)
  const { attributes } = await stat(changed, String(record))
  t.deepEqual(attributes.find(({ type }) => type === 0x80)!.reused, { clusters: 3, inUse: 3 })
})

test('a link count that is not the number of names is told', async (t) => {
  const { file, manifest } = await image('small')
  const volume = edit({ file, manifest })
  const record = volume.record('size-100')
  volume.edit(record, (bytes) => bytes.writeUInt16LE(7, 18))
  const changed = path.join(await scratch(t), 'image')
  writeFileSync(changed, volume.bytes)
  t.regex((await tell(tool, changed, String(record))).stdout, /^ {2}links +7, but 1 names$/m)
})

test('runs past the end of the volume are marked', async (t) => {
  const { file, manifest } = await image('small')
  const volume = edit({ file, manifest })
  const record = volume.record('size-300000')
  volume.edit(record, (bytes) => {
    const attribute = attributeOf(bytes, 0x80)
    attribute.set([0x31, 0x4a, 0xff, 0xff, 0x7f, 0], attribute.readUInt16LE(32))
  })
  const changed = path.join(await scratch(t), 'image')
  writeFileSync(changed, volume.bytes)
  const { stdout } = await tell(tool, changed, String(record))
  t.regex(stdout, /^ +0 +8388607 +74 {2}outside the volume$/m)
})

test('a name with a lone surrogate survives in JSON', async (t) => {
  const volume = await image('512')
  const file = volume.manifest.files.find(({ path }) => /[\ud800-\udfff]/u.test(path))
  if (!file) return t.fail('the image has no such name')
  const { stdout } = await tell(tool, '--json', volume.file, String(file.record))
  t.is(stdout.indexOf('\n'), stdout.length - 1)
  t.regex(stdout, /\\ud[89a-f][0-9a-f]{2}/)
  t.is((JSON.parse(stdout) as Stat).names[0]!.name, path.basename(file.path))
})

test('the shadow copies of a volume are listed, and in one of them the file as it was', async (t) => {
  const { bytes } = makeVolume(t, { 'a.txt': 'before' }, { size: 8 << 20 })
  const shadow = makeShadowVolume({ blocks: bytes.length / BLOCK, area: 40 }, bytes)
  shadow.snapshot()
  const changed = path.join(await scratch(t), 'image')
  writeFileSync(changed, shadow.finish())
  const now = await stat(changed)
  t.is(now.volume.shadowCopies.length, 1)
  t.like(now.volume.shadowCopies[0], { index: 1, offline: false })
  const then = await stat(changed, '--snapshot', '1', 'a.txt')
  t.is(then.volume.snapshot, 1)
  t.deepEqual(then.volume.shadowCopies, now.volume.shadowCopies)
  const { messages, status } = await tell(tool, changed, '--snapshot', '2')
  t.is(status, 65)
  t.regex(messages.join(), /no shadow copy 2/)
})

test('flags are words, those of directories included', async (t) => {
  const volume = await image('512')
  const { attributes } = fileIn(volume, 'metadata/attributes')
  const { standardInformation } = await stat(volume.file, 'metadata/attributes')
  const bits = standardInformation.flags.map(
    (word) => FILE_FLAG[word.toUpperCase().replaceAll('-', '_') as keyof typeof FILE_FLAG],
  )
  t.is(
    attributes,
    bits.reduce((all, bit) => all | bit, 0),
  )
})

test('what is not there is refused with the reason', async (t) => {
  const { file } = await image('512')
  const refused = async (...words: string[]) => {
    const { status, stdout, messages } = await tell(tool, file, ...words)
    t.is(stdout, '')
    return [status, messages[0]]
  }
  t.deepEqual(await refused('nowhere'), [65, 'there is no nowhere in the root'])
  t.is((await refused('99999999'))[0], 65)
  t.is((await refused('5-6'))[0], 65)
  t.deepEqual(await refused('--snapshot', 'x'), [64, '--snapshot x: not the number of a shadow copy'])
})

test('blocks on which the tree and $BITMAP disagree are counted, either way', async (t) => {
  const volume = edit(await image('512'))
  const sound = (await stat((await image('512')).file, 'tree')).indexes[0]!
  volume.edit(volume.record('tree'), (bytes) => {
    const bitmap = attributeOf(bytes, 0xb0)
    const value = bitmap.readUInt16LE(20)
    bitmap[value]! &= 0xfe
  })
  const changed = path.join(await scratch(t), 'image')
  writeFileSync(changed, volume.bytes)
  const { indexes, findings } = await stat(changed, 'tree')
  t.like(indexes[0], { reached: sound.reached, inUse: sound.inUse! - 1, reachedFree: 1, unreached: 0 })
  t.true(findings.some((finding) => /1 blocks of the tree are free by its \$BITMAP/.test(finding)))
})

test('where $SII is lost the descriptor is found in $SDS, and that is told', async (t) => {
  const volume = edit(await image('512'))
  volume.edit(9, (bytes) => {
    for (let at = bytes.readUInt16LE(20); bytes.readUInt32LE(at) !== 0xffffffff; ) {
      const length = bytes.readUInt32LE(at + 4)
      if (bytes.readUInt32LE(at) === 0x90) bytes.fill(0, at + bytes.readUInt16LE(at + 20) + 16, at + length)
      at += length
    }
  })
  const changed = path.join(await scratch(t), 'image')
  writeFileSync(changed, volume.bytes)
  const sound = await stat((await image('512')).file, 'metadata/descriptor')
  const { security, findings } = await stat(changed, 'metadata/descriptor')
  t.deepEqual(security, sound.security)
  t.regex(findings.join(), /security id \d+ was found without \$SII/)
})

test('the slack of its directory tells of a deleted file what the index said', async (t) => {
  const file = path.join(await scratch(t), 'image')
  const { bytes } = makeVolume(t, { 'a.txt': 'one', 'b.txt': 'two' })
  writeFileSync(file, bytes)
  const { record } = await stat(file, 'b.txt')
  t.like((await stat(file, 'b.txt')).names[0]!.entry, { source: 'index', size: '0x3' })
  await deleteRecord(bytes, record)
  const [block] = await rootBlocksAt(bytes)
  const decoded = decodeIndexBlock(bytes.subarray(block!, block! + 4096))
  if (typeof decoded === 'string') return t.fail(decoded)
  const undone = Buffer.from(decoded.node.bytes)
  encodeNameEntry({ name: 'b.txt', record, sequence: 1 }).copy(undone, 3600)
  protect(undone)
  undone.copy(bytes, block!)
  writeFileSync(file, bytes)
  const deleted = await stat(file, String(record))
  t.false(deleted.inUse)
  t.is(deleted.names[0]!.entry!.source, 'slack')
})

test('a record that mkntfs left for later is nothing to complain about', async (t) => {
  const { file } = await image('small')
  t.like(await stat(file, '16'), { inUse: false, names: [], findings: [] })
})
