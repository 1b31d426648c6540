import test from 'ava'
import { recoverVolume } from '../../src/formats/aff4/recover/recover.js'
import { bufferSink } from '../formats/buffer-sink.js'
import { bufferSource } from '../formats/buffer-source.js'
import { fuzzVolume, rewriteMember, storedMembers } from './aff4.js'
import { smallVolumes } from './aff4-volumes.js'

test('damaged volumes: a clear error or a verdict, and none is sound whose evidence changed', async (t) => {
  for (const [name, volume] of await smallVolumes()) await fuzzVolume(name, volume, 60, 30_000)
  t.pass()
})

test('a chunk that does not decode costs only itself where block hashes are made anew', async (t) => {
  const volume = (await smallVolumes()).get('snappy with block hashes')!
  const index = storedMembers(volume).find(({ name }) => name.endsWith('/00000000.index'))!
  const entries = Buffer.from(volume.subarray(index.data, index.data + index.size))
  entries.writeUInt32LE(entries.readUInt32LE(8) - 1, 8)
  const source = bufferSource(rewriteMember(volume, index, entries))
  const { complete, objects } = await recoverVolume(source, bufferSink(), { tool: 'test' })
  t.false(complete)
  t.deepEqual(
    objects.map(({ lost }) => lost.map(({ start, length }) => [start, length])),
    [[[0x1000n, 0x1000n]]],
  )
})
