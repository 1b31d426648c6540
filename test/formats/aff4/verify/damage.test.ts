import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import test from 'ava'
import { openVolume } from '../../../../src/formats/aff4/volume.js'
import { readDirectory, readMember } from '../../../../src/formats/aff4/zip/reader.js'
import { createZipWriter } from '../../../../src/formats/aff4/zip/writer.js'
import { bufferSink } from '../../buffer-sink.js'
import { bufferSource } from '../../buffer-source.js'
import { dataStart, flipBit } from '../flip.js'
import { writeRecipe } from '../recipe.js'
import { check, faults, told } from './check.js'

async function sample(): Promise<Buffer> {
  const ranges = [
    { offset: 0, length: 5000, content: 'bytes', seed: 1 },
    { offset: 5000, length: 1000, content: 'unknown', seed: 0 },
    { offset: 6000, length: 9000, content: 'bytes', seed: 3 },
  ] as const
  const sink = bufferSink()
  const recipe = { codec: 'snappy', chunkSize: 1000, chunksPerBevy: 6, appended: false, ranges } as const
  const { volume } = await writeRecipe(sink, recipe)
  await volume.finish()
  return sink.bytes()
}

type Rewrite = (name: string, content: Buffer) => Buffer | undefined

/** The same volume, its members rewritten by the rules of the container: only what they say can be wrong. */
async function rewritten(bytes: Buffer, change: Rewrite): Promise<Buffer> {
  const source = bufferSource(bytes)
  const { members, comment } = await readDirectory(source)
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  for (const member of members.values()) {
    const content = change(member.name, Buffer.from(await readMember(source, member, 1n << 30n)))
    if (content) await zip.write({ name: member.name, pieces: [content] })
  }
  await zip.finish(comment)
  return sink.bytes()
}

const inTurtle =
  (from: string | RegExp, to: string): Rewrite =>
  (name, content) =>
    name === 'information.turtle' ? Buffer.from(content.toString().replace(from, to)) : content

async function expectFaults(
  t: { regex: (text: string, pattern: RegExp) => void },
  bytes: Buffer,
  pattern: RegExp,
) {
  t.regex(
    faults(await check(bytes))
      .map(told)
      .join('\n'),
    pattern,
  )
}

test('a damaged chunk is named by its bevy, its number and its place in the file', async (t) => {
  const bytes = await sample()
  const source = bufferSource(bytes)
  const { members } = await readDirectory(source)
  const [bevy] = [...members.values()].filter(({ name }) => name.endsWith('/00000001'))
  const index = [...members.values()].find(({ name }) => name === `${bevy!.name}.index`)
  const third = Buffer.from(await readMember(source, index!, 1n << 20n)).subarray(24)
  const start = BigInt(dataStart(bevy!)) + third.readBigUInt64LE(0)
  // The varint length of a snappy block.
  flipBit(bytes, Number(start), 4)
  const found = faults(await check(bytes))
  const chunk = found.find(({ property }) => property === 'chunk 2')
  t.is(chunk?.subject, `volume 0: ${bevy!.name}`)
  t.is(chunk?.offset, start)
  t.regex(chunk?.detail ?? '', /chunk 2 of bevy 1/)
  t.true(found.some(({ property, subject }) => property === 'CRC' && subject === chunk!.subject))
})

test('the member that is damaged is named, with its offset', async (t) => {
  for (const suffix of ['/00000000.index', '/map', '/idx', 'information.turtle', '.blockHash.sha256']) {
    const bytes = await sample()
    const { members } = await readDirectory(bufferSource(bytes))
    const member = [...members.values()].find(({ name }) => name.endsWith(suffix))!
    flipBit(bytes, dataStart(member) + 5)
    const found = faults(await check(bytes))
    const named = found.find(({ subject, detail }) => `${subject} ${detail}`.includes(member.name))
    t.truthy(named, suffix)
    t.true(
      named!.offset !== undefined &&
        named!.offset >= member.headerOffset &&
        named!.offset <= member.headerOffset + 30n + BigInt(member.name.length),
    )
  }
})

test('a bevy, an index, a map or a file that is missing is told', async (t) => {
  const bytes = await sample()
  const without = (suffix: string) =>
    rewritten(bytes, (name, content) => (name.endsWith(suffix) ? undefined : content))
  await expectFaults(t, await without('/00000001'), /bevy 1 \| .*not in the volume/)
  await expectFaults(t, await without('/00000001.index'), /bevy 1 \| .*not in the volume/)
  await expectFaults(t, await without('/map'), /mapPointHash SHA512 .*not in the volume/)
  await expectFaults(t, await without('00000001.blockHash.md5'), /block hashes MD5 .* only 2 of 3 bevies/)
  await expectFaults(t, await without('information.turtle'), /no information\.turtle/)
})

test('a stream that says it is larger than it is ends with what is missing', async (t) => {
  const bytes = await sample()
  const larger = await rewritten(bytes, inTurtle(/"14000"\^\^xsd:long/, '"9000000000000000"^^xsd:long'))
  await expectFaults(t, larger, /chunk 2 .*not in its index/)
  await expectFaults(t, larger, /bevy 3 .*nor are many others|bevy \d+ \| .*not in the volume/)
})

test('a range of the map that reaches past its stream is told by its address', async (t) => {
  const bytes = await sample()
  const shorter = await rewritten(bytes, inTurtle(/"14000"\^\^xsd:long/, '"13000"^^xsd:long'))
  await expectFaults(t, shorter, /map \| .*its range at 0x[0-9a-f]+ reaches past the end of aff4:/)
})

test('every stated digest that is another one is told', async (t) => {
  const bytes = await sample()
  const { graph } = await openVolume(bufferSource(bytes))
  let count = 0
  for (const { subject, object, predicate } of graph.statements) {
    if (object.termType !== 'Literal' || !/SHA512$/.test(object.datatype.value)) continue
    const other = createHash('sha512').update(object.value).digest('hex')
    // The block map hash stands on the map and on the image.
    const changed = await rewritten(bytes, inTurtle(object.value, other))
    const found = faults(await check(changed))
    t.is(found.length, 1, `${predicate} of ${subject}`)
    t.regex(told(found[0]!), /is [0-9a-f]{128}, the volume says [0-9a-f]{128}/)
    count++
  }
  t.is(count, 8)
})

test('a digest of chunks or of a member that was made to fit is found by the others', async (t) => {
  const bytes = await sample()
  const changed = await rewritten(bytes, (name, content) => {
    if (name.endsWith('00000000.blockHash.sha256')) flipBit(content, 3)
    return content
  })
  const found = faults(await check(changed)).map(told)
  t.regex(
    found[0]!,
    /block hash SHA256 \| volume 0: \S+\/00000000 \| chunk 0 is not what .*00000000\.blockHash\.sha256 says/,
  )
  t.true(found.some((line) => /hash SHA512 \| .*\/blockhash\.sha256/.test(line)))
  t.true(found.some((line) => /blockMapHash SHA512/.test(line)))
})

test('a digest by an algorithm that is not known, or of who knows what, is left unchecked', async (t) => {
  const bytes = await sample()
  const strange = await rewritten(bytes, inTurtle(/\^\^aff4:SHA512/, '^^aff4:WHIRLPOOL'))
  const other = await rewritten(bytes, inTurtle('aff4:mapIdxHash', 'aff4:futureHash'))
  for (const [volume, pattern] of [
    [strange, /WHIRLPOOL .*an algorithm that is not known/],
    [other, /futureHash SHA512 .*nothing tells of what it is/],
  ] as const) {
    const findings = await check(volume)
    t.deepEqual(faults(findings), [])
    const unchecked = findings.filter(({ outcome }) => outcome === 'unchecked')
    t.is(unchecked.length, 1)
    t.regex(told(unchecked[0]!), pattern)
  }
})

test('a block map hash by its name of the time between is tried by both rules, and no fault where neither holds', async (t) => {
  const bytes = await sample()
  const named = await rewritten(bytes, inTurtle('aff4:blockMapHash ', 'aff4:blockHashesHash '))
  t.true((await check(named)).map(told).some((line) => line.startsWith('matched | blockHashesHash SHA512')))
  const other = await rewritten(named, inTurtle(/(aff4:blockHashesHash "....)./, '$1z'))
  const findings = await check(other)
  t.deepEqual(faults(findings), [])
  t.true(
    findings.some(
      ({ outcome, property }) => outcome === 'uncheckable' && property === 'blockHashesHash SHA512',
    ),
  )
})

test('objects that are named and not there are told: as faults where bytes are missing', async (t) => {
  const bytes = await sample()
  const nowhere = 'aff4://99999999-9999-4999-8999-999999999999'
  const [, map] = /aff4:dataStream (\S+)/.exec(bytes.toString('latin1'))!
  const lost = await rewritten(bytes, inTurtle(`aff4:dataStream ${map}`, `aff4:dataStream <${nowhere}>`))
  await expectFaults(t, lost, /dataStream \| .* \| aff4:\/\/99999999\S+ is not there/)
  const contains = await rewritten(bytes, inTurtle('aff4:contains ', `aff4:contains <${nowhere}> , `))
  const findings = await check(contains)
  t.deepEqual(faults(findings), [])
  t.true(findings.some(({ outcome, property }) => outcome === 'note' && property === 'contains'))
})

test('a member that belongs to nothing is told, and its CRC is compared', async (t) => {
  const bytes = await sample()
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  const source = bufferSource(bytes)
  const { members, comment } = await readDirectory(source)
  await zip.write({ name: 'stranger', pieces: [Buffer.from('who is this')] })
  for (const member of members.values())
    await zip.write({ name: member.name, pieces: [await readMember(source, member, 1n << 30n)] })
  await zip.finish(comment)
  const whole = sink.bytes()
  const findings = await check(whole)
  t.deepEqual(faults(findings), [])
  t.true(
    findings.some(({ property, subject }) => property === 'unreferenced' && subject === 'volume 0: stranger'),
  )
  flipBit(whole, whole.indexOf('who is this'))
  await expectFaults(t, whole, /CRC \| volume 0: stranger/)
})

test('bytes behind the end record, and a comment of another volume, are told', async (t) => {
  const bytes = await sample()
  await expectFaults(t, Buffer.concat([bytes, Buffer.alloc(7)]), /end record .* 7 bytes follow it/)
  bytes[bytes.length - 1] = bytes.at(-1) === 0x30 ? 0x31 : 0x30
  await expectFaults(t, bytes, /URN \| volume 0 \| the zip comment says/)
  const found = (await check(bytes)).find(({ property }) => property === 'URN')
  t.is(found?.offset, BigInt(bytes.length - 'aff4://'.length - 36))
})

test('bevies of encrypted streams that pyaff4 wrote anew are no fault, whose CRC it keeps, but for a lone one', async (t) => {
  for (const [tool, bevies, outcome] of [
    ['pyaff4', 2, 'uncheckable'],
    ['pyaff4', 1, 'mismatched'],
    ['pmem', 2, 'mismatched'],
  ] as const) {
    const [volume, stream] = ['aff4://volume', 'aff4://stream']
    const members: [string, string][] = [
      ['container.description', volume],
      ['version.txt', `major=1\nminor=2\ntool=${tool}\n`],
    ]
    for (let number = 0; number < bevies; number++)
      members.push(
        [`${stream}/0000000${number}`, `units of bevy ${number}`],
        [`${stream}/0000000${number}.index`, ''],
      )
    members.push(['information.turtle', `<${stream}> a <http://aff4.org/Schema#EncryptedStream> .`])
    const sink = bufferSink()
    const zip = createZipWriter(sink)
    for (const [name, content] of members) await zip.write({ name, pieces: [Buffer.from(content)] })
    await zip.finish(volume)
    const bytes = sink.bytes()
    bytes[bytes.indexOf('units of bevy 0')]! ^= 1
    const found = (await check(bytes)).filter(({ property }) => property === 'CRC')
    t.deepEqual(
      found.map((finding) => [finding.outcome, finding.subject]),
      [[outcome, `volume 0: ${stream}/00000000`]],
      `${tool}, ${bevies}`,
    )
    t.is(found[0]?.offset, BigInt(bytes.indexOf('nits of bevy 0') - 1))
  }
})

test('bytes before a volume, and what an append leaves behind, are no fault', async (t) => {
  const bytes = await sample()
  const behind = Buffer.concat([Buffer.alloc(5000, 'program'), bytes])
  const findings = await check(behind)
  t.deepEqual(faults(findings), [])
  const [gap] = findings.filter(({ property }) => property === 'unreferenced')
  t.is(gap?.offset, 0n)
  t.regex(gap?.detail ?? '', /5000 bytes of something else/)
})

test('overlapping members are told by both names', async (t) => {
  const bytes = await sample()
  // The second entry of the directory points to the first member.
  const { members } = await readDirectory(bufferSource(bytes))
  const names = [...members.keys()]
  const entry = bytes.lastIndexOf(Buffer.from(names[1]!)) - 46
  t.is(bytes.readUInt32LE(entry), 0x02014b50)
  bytes.writeUInt32LE(0, entry + 42)
  await expectFaults(t, bytes, /local header of version\.txt .*its name is container\.description/)
})

test('a text file, an empty one and the beginning of a volume are no volumes, and nothing is thrown', async (t) => {
  const bytes = await sample()
  for (const file of [
    Buffer.alloc(0),
    Buffer.from('text\n'),
    bytes.subarray(0, 3000),
    await readFile('package.json'),
  ])
    await expectFaults(t, file, /end record \| volume 0 \| there is none/)
})

test('every size of a cut volume is told as damage', async (t) => {
  const bytes = await sample()
  for (let size = 1; size < bytes.length; size += 101)
    t.true(faults(await check(bytes.subarray(0, size))).length > 0)
})
