import { constants, inflateRawSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { openStream } from '../../../../src/formats/aff4/reader.js'
import { createVolume } from '../../../../src/formats/aff4/writer.js'
import { bufferSink } from '../../buffer-sink.js'
import { contentOf } from '../recipe.js'
import { type Recovered, readStream, recoverBytes } from './recovering.js'
import { type Foreign, inStyleOf, layOut, type Sample, writeSample } from './sample.js'

/**
 * Whatever is said to be there must be what was written; where a checksum is missing, that must be said.
 * @returns bytes that are there
 */
async function checkHonesty(t: ExecutionContext, sample: Sample, recovered: Recovered): Promise<bigint> {
  let kept = 0n
  for (const { urn, expected } of sample.images) {
    const object = recovered.recovery.objects.find((one) => one.urn === urn)
    if (!object || object.remarks.some((remark) => /map is lost/.test(remark))) continue
    const stream = await openStream([recovered.volume], urn)
    const got = await readStream(recovered.volume, urn)
    for (const { start, length } of [...object.lost, ...object.unsure])
      expected.copy(got, Number(start), Number(start), Number(start + length))
    for (const { start, length } of stream.runs) {
      const [from, to] = [Number(start), Number(start + length)]
      if (!got.subarray(from, to).equals(expected.subarray(from, to))) t.fail(`${urn} at ${start}`)
    }
    kept += object.kept
  }
  for (const [urn, content] of sample.files) {
    const object = recovered.recovery.objects.find((one) => one.urn === urn)
    if (!object || object.lost.length + object.unsure.length > 0 || object.kept === 0n) continue
    t.true(content.equals(await readStream(recovered.volume, urn)))
  }
  return kept
}

const damages = fc.array(
  fc.record({
    at: fc.nat({ max: 1_000_000 }),
    length: fc.constantFrom(1, 1, 1, 4, 512, 5000),
    how: fc.constantFrom('flip', 'zero', 'gone' as const),
  }),
  { minLength: 1, maxLength: 3 },
)

test('a volume damaged anywhere gives nothing for true that is not', async (t) => {
  const sample = await writeSample()
  let complete = 0
  let kept = 0n
  const runs = 120
  await fc.assert(
    fc.asyncProperty(damages, async (list) => {
      let bytes = Buffer.from(sample.bytes)
      for (const { at, length, how } of list) {
        const place = at % bytes.length
        if (how === 'gone') bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + length)])
        else if (how === 'zero') bytes.fill(0, place, place + length)
        else
          for (let index = place; index < Math.min(bytes.length, place + length); index++)
            bytes[index]! ^= 0x55
      }
      const recovered = await recoverBytes(bytes)
      t.truthy(recovered)
      kept += await checkHonesty(t, sample, recovered!)
      if (recovered!.recovery.complete) complete++
    }),
    { numRuns: runs, seed: 5 },
  )
  // Most of a volume survives a few wounds.
  const all = sample.images.reduce(
    (sum, { stored }) => sum + stored.reduce((sub, run) => sub + run.length, 0),
    0,
  )
  t.true(kept > (BigInt(runs) * BigInt(all) * 80n) / 100n, `${kept} of ${all * runs}`)
  t.true(complete < runs / 4)
})

test('one damaged byte in a bevy costs one chunk at most', async (t) => {
  const sample = await writeSample()
  const all = sample.images.reduce(
    (sum, { stored }) => sum + stored.reduce((sub, run) => sub + run.length, 0),
    0,
  )
  for (const { name, start, end } of layOut(sample.bytes)) {
    if (!/\/\d{8}$/.test(name) || name.includes('checkpoint')) continue
    const bytes = Buffer.from(sample.bytes)
    bytes[start + ((end - start) >> 1)]! ^= 4
    const recovered = (await recoverBytes(bytes))!
    t.false(recovered.recovery.complete)
    const kept = await checkHonesty(t, sample, recovered)
    t.true(kept === BigInt(all) || kept === BigInt(all - 4096), name)
  }
})

for (const style of ['c-aff4', 'Evimetry', 'pyaff4'] satisfies Foreign[])
  test(`a volume in the layout of ${style} is recovered from any cut, as far as its layout goes`, async (t) => {
    const sample = await writeSample()
    const bytes = inStyleOf(style, sample.bytes)
    let most = 0n
    for (let index = 0; index < 60; index++) {
      const recovered = await recoverBytes(bytes.subarray(0, (index * 7_919_000_003) % bytes.length))
      if (!recovered) continue
      const kept = recovered.recovery.objects.reduce((sum, object) => sum + object.kept, 0n)
      if (kept > most) most = kept
      await checkHonesty(t, sample, recovered)
    }
    const whole = (await recoverBytes(bytes))!
    t.deepEqual(
      whole.recovery.objects.filter((one) => one.lost.length + one.unsure.length + one.remarks.length > 0),
      [],
    )
    for (const { urn, expected } of sample.images)
      t.true((await readStream(whole.volume, urn)).equals(expected))
    t.true(most > 0n)
  })

test('a stream whose description is cut off, wherever that is, is what its bytes tell, or not told', async (t) => {
  const sample = await writeSample()
  const bytes = inStyleOf('pyaff4', sample.bytes)
  const { start, end } = layOut(bytes).find(({ name }) => name === 'information.turtle')!
  let most = 0n
  for (let cut = start; cut < end; cut += 61) {
    const recovered = await recoverBytes(bytes.subarray(0, cut))
    const kept = recovered ? await checkHonesty(t, sample, recovered) : 0n
    if (kept > most) most = kept
  }
  t.true(most > 0n)
})

test('what was only a prefix, an executable, does not matter', async (t) => {
  const sample = await writeSample()
  const prefix = Buffer.concat([contentOf(1, 70_001), Buffer.from('PK\x03\x04'), contentOf(2, 5000)])
  const recovered = (await recoverBytes(Buffer.concat([prefix, sample.bytes.subarray(0, -100)])))!
  t.true(recovered.recovery.complete)
  for (const { urn, expected } of sample.images)
    t.true((await readStream(recovered.volume, urn)).equals(expected))
})

test('a volume inside the evidence of another one is evidence', async (t) => {
  const inner = await writeSample()
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test' })
  const urn = `${volume.urn}/evidence.aff4`
  const map = volume.map({ image: urn })
  const stream = volume.imageStream({ chunkSize: 4096, chunksPerBevy: 4096 }, map)
  stream.append(inner.bytes)
  map.add({ offset: 0n, length: BigInt(inner.bytes.length), targetOffset: 0n, target: stream.urn })
  await map.close()
  await volume.finish()
  const recovered = (await recoverBytes(sink.bytes().subarray(0, -40)))!
  t.true(recovered.recovery.complete)
  t.deepEqual(
    recovered.recovery.objects.map((object) => object.urn),
    [urn],
  )
  t.true((await readStream(recovered.volume, urn)).equals(inner.bytes))
})

test('a deflated file whose size is lost gives what stands before the damage, and is not called whole', async (t) => {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test' })
  const content = Buffer.from(Array.from({ length: 40_000 }, (_, line) => `line ${line}\n`).join(''))
  await volume.segment(`${volume.urn}/file`, content)
  volume.declare(`${volume.urn}/file`, 'FileImage', 'ZipSegment')
  await volume.finish()
  const bytes = inStyleOf('c-aff4', sink.bytes())
  const { start, end } = layOut(sink.bytes()).find(({ name }) => name === 'file')!
  const at = bytes.indexOf(sink.bytes().subarray(start, start + 100))
  // Bytes that were put in between leave the descriptor without a member that it fits.
  for (const share of [0.02, 0.3, 0.9]) {
    const split = at + Math.floor((end - start) * share)
    const damaged = Buffer.concat([bytes.subarray(0, split), Buffer.alloc(2000, 0xff), bytes.subarray(split)])
    const { recovery, volume: found } = (await recoverBytes(damaged))!
    const [object] = recovery.objects
    t.false(recovery.complete)
    t.regex(object!.remarks.join(), /its size is not known/)
    const kept = await readStream(found, object!.urn)
    const before = inflateRawSync(bytes.subarray(at, split), { finishFlush: constants.Z_SYNC_FLUSH })
    t.true(kept.length >= before.length)
    t.true(kept.subarray(0, before.length).equals(content.subarray(0, before.length)))
  }
})
