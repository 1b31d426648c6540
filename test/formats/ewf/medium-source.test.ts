import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { openImageFile } from '../../../src/formats/image/image-file.js'
import { makeEwf } from './ewf-maker.js'

const CHUNK = 32768
const MIB = 1 << 20
const folder = mkdtempSync(path.join(tmpdir(), 'pmem-medium-'))
test.after.always(() => rmSync(folder, { recursive: true }))

const media = Buffer.alloc(14 * MIB)
for (let at = 0; at < media.length; at += 8) {
  media.writeUInt32LE(Math.floor(at / CHUNK), at)
  media.writeUInt32LE(Math.imul(at, 2654435761) >>> (at % 7), at + 4)
}

/** Segments of some size, with a chunk in the middle that does not hold its checksum. */
function write(stem: string, damaged: number | undefined): string {
  const deflates = (chunk: number) => chunk % 5 !== 3
  const files = makeEwf(media, { stem, chunksPerTable: 50, tablesPerSegment: 3, deflates })
  for (const [name, bytes] of Object.entries(files)) {
    if (damaged !== undefined) {
      const where = bytes.indexOf(media.subarray(damaged * CHUNK, damaged * CHUNK + 64))
      if (where >= 0) bytes[where + 8]! ^= 1
    }
    writeFileSync(path.join(folder, name), bytes)
  }
  return path.join(folder, `${stem}.E01`)
}

test('reads in a row, which threads decode ahead, give what reads in no order give', async (t) => {
  const image = await openImageFile(write('whole', undefined))
  const into = Buffer.alloc(MIB)
  for (let at = 0; at < media.length; at += MIB) {
    const bytes = await image.read(BigInt(at), MIB, into)
    t.true(media.subarray(at, at + MIB).equals(bytes), `${at}`)
  }
  for (const at of [9 * MIB + 5, 3, 13 * MIB, 12 * MIB + 1, 4 * MIB, 5 * MIB, 6 * MIB, 1])
    t.true(media.subarray(at, at + 100_000).equals(await image.read(BigInt(at), 100_000)), `${at}`)
  const together = await Promise.all(
    [2, 7, 8, 9, 3].map((mebibyte) => image.read(BigInt(mebibyte * MIB), MIB)),
  )
  t.true(Buffer.concat(together.slice(1, 4)).equals(media.subarray(7 * MIB, 10 * MIB)))
  await image.close()
})

test('a damaged chunk among those that threads decode costs itself only', async (t) => {
  const damaged = 10 * 32 + 3
  const image = await openImageFile(write('damaged', damaged))
  const start = damaged * CHUNK
  for (let at = 0; at < media.length; at += MIB) {
    const reading = image.read(BigInt(at), MIB)
    if (start < at || start >= at + MIB) t.true(media.subarray(at, at + MIB).equals(await reading), `${at}`)
    else {
      await t.throwsAsync(reading, { message: new RegExp(`^sectors ${start / 512} to `) })
      for (let part = at; part < at + MIB; part += CHUNK)
        if (part !== start)
          t.true(media.subarray(part, part + CHUNK).equals(await image.read(BigInt(part), CHUNK)))
    }
  }
  await image.close()
})
