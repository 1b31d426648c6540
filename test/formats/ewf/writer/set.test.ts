import test from 'ava'
import fc from 'fast-check'
import type { Bytes } from '../../../../src/formats/byte-source.js'
import { openEwfImage } from '../../../../src/formats/ewf/ewf-image.js'
import { segmentName } from '../../../../src/formats/ewf/segment-names.js'
import { MEDIA_FLAG, MEDIA_TYPE } from '../../../../src/formats/ewf/structs.js'
import type { SegmentFile } from '../../../../src/formats/ewf/writer/segment.js'
import { openSet, type SetDescription } from '../../../../src/formats/ewf/writer/set.js'
import { bufferSource } from '../../buffer-source.js'
import { readRuns, surroundingsOf } from '../../image/surroundings.js'

const CHUNK = 32 << 10

const ABOUT: SetDescription = {
  mediaType: MEDIA_TYPE.fixed,
  mediaFlags: MEDIA_FLAG.image,
  sectorSize: 512,
  level: 1,
  segmentSize: 1 << 20,
  setId: Buffer.alloc(16, 7),
  values: { c: '17' },
  time: 0,
  notes: 'as found',
  size: 0n,
}
const CONCLUSION = { errors: [], notes: 'as found' }

/** Chunks of noise, of text and of zeros. */
function mediaOf(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  let state = 1
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    const kind = Math.floor(at / CHUNK) % 3
    bytes[at] = kind === 0 ? state >>> 16 : kind === 1 ? (at >> 5) + 1 : 0
  }
  return bytes
}

/** Segments in memory, on a disk that holds so many bytes of them. */
function memoryFiles(capacity = Number.POSITIVE_INFINITY) {
  const files: Buffer[] = []
  const held = () => files.reduce((sum, file) => sum + file.length, 0)
  async function open(number: number): Promise<SegmentFile> {
    let position = 0
    const index = number - 1
    files[index] = Buffer.alloc(0)
    const put = (at: number, bytes: Bytes) => {
      const grown = Math.max(0, at + bytes.length - files[index]!.length)
      const room = Math.min(grown, capacity - held())
      files[index] = Buffer.concat([files[index]!, Buffer.alloc(room)])
      files[index].set(bytes.subarray(0, files[index].length - at), at)
      if (room < grown) throw new Error('no space left on device')
    }
    return {
      name: `segment ${number}`,
      seekable: true,
      get position() {
        return BigInt(position)
      },
      async write(...pieces) {
        const bytes = Buffer.concat(pieces)
        put(position, bytes)
        position += bytes.length
      },
      writeAt: async (offset, bytes) => put(Number(offset), bytes),
      async truncate(size) {
        files[index] = files[index]!.subarray(0, Number(size))
        position = Number(size)
      },
    }
  }
  return {
    files,
    open,
    async drop(number: number) {
      files[number - 1] = Buffer.alloc(0)
    },
  }
}

async function readBack(files: readonly Buffer[]) {
  const named = files
    .filter((file) => file.length > 0)
    .map((file, i): [string, Buffer] => [segmentName('x.E01', i + 1)!, file])
  const image = await openEwfImage(bufferSource(named[0]![1], 'x.E01'), {
    ...surroundingsOf('x.E01', Object.fromEntries(named.slice(1))),
  })
  const bytes = Buffer.concat(await readRuns(image))
  await image.close()
  return { image, bytes }
}

const sizes = fc.oneof(
  fc.integer({ min: 0, max: 40 * CHUNK }),
  fc.integer({ min: 0, max: 40 }).map((chunks) => chunks * CHUNK),
)

test('media of any size, in pieces and segments of any size, reads back', async (t) => {
  const whole = mediaOf(40 * CHUNK)
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.integer({ min: 1, max: 3 * CHUNK }),
      fc.integer({ min: 80_000, max: 400_000 }),
      fc.constantFrom(512, 4096),
      async (size, step, segmentSize, sectorSize) => {
        const disk = memoryFiles()
        const set = await openSet(disk, { ...ABOUT, segmentSize, sectorSize })
        for (let at = 0; at < size; at += step) await set.put(whole.subarray(at, Math.min(at + step, size)))
        await set.complete(CONCLUSION)
        await set.close()
        for (const file of disk.files) if (file.length > segmentSize) return false
        const { image, bytes } = await readBack(disk.files)
        if (image.incomplete !== undefined || image.remarks.length > 0) return false
        const padded = Buffer.alloc(Math.ceil(size / sectorSize) * sectorSize)
        whole.copy(padded, 0, 0, size)
        return bytes.equals(padded) && image.facts.caseNumber === '17'
      },
    ),
    { numRuns: 12 },
  )
  t.pass()
})

test('wherever the disk is full, what was kept is told and reads back, marked as incomplete', async (t) => {
  const whole = mediaOf(40 * CHUNK)
  let opened = 0
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2000, max: 700_000 }),
      fc.integer({ min: 80_000, max: 300_000 }),
      fc.boolean(),
      async (capacity, segmentSize, early) => {
        const disk = memoryFiles(capacity)
        const set = await openSet(disk, { ...ABOUT, segmentSize }).catch(() => undefined)
        if (!set) return capacity < 10_000
        const errors = [{ start: 1024n, length: 512n }]
        const abandon = () =>
          set.abandon({ errors, notes: 'INCOMPLETE as found' }).catch((error: Error) => {
            if (capacity > 10_000) throw error
            return -1n
          })
        set.expectError()
        let kept: bigint
        try {
          await set.put(whole)
          if (!early) await set.complete({ ...CONCLUSION, errors })
          kept = await abandon()
        } catch {
          kept = await abandon()
        } finally {
          await set.close()
        }
        if (kept < 0n) return true
        const { image, bytes } = await readBack(disk.files)
        opened++
        const holes = image.holes.reduce((sum, { length }) => sum + Number(length), 0)
        if (bytes.length + holes < Number(kept)) return false
        const expected = Buffer.concat(
          image.runs.map(({ start, length }) => whole.subarray(Number(start), Number(start + length))),
        )
        return bytes.equals(expected) && image.digests.length === 0
      },
    ),
    { numRuns: 40 },
  )
  t.true(opened > 10, `${opened}`)
})
