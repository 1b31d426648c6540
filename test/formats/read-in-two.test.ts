import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import { readInTwo, WORTH_TWO } from '../../src/formats/read-in-two.js'

const bytes = Buffer.from(Array.from({ length: 3 * WORTH_TWO }, (_, at) => (at * 2654435761) >>> 24))

/** A file of `bytes` that is removed after the test. */
function openBytes(t: { teardown(clean: () => void): void }): number {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pmem-test-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'bytes')
  fs.writeFileSync(file, bytes)
  return fs.openSync(file, 'r')
}

test('two threads bring what one would, wherever it begins and whatever its length', async (t) => {
  const fd = openBytes(t)
  for (const [from, length] of [
    [0, WORTH_TWO],
    [4097, WORTH_TWO + 1],
    [1, 3 * WORTH_TWO - 1],
    [WORTH_TWO - 7, 2 * WORTH_TWO + 3],
  ] as const) {
    const target = Buffer.alloc(length)
    t.true(await readInTwo(fd, BigInt(from), target))
    t.true(target.equals(bytes.subarray(from, from + length)))
  }
  fs.closeSync(fd)
})

test('it is false where a file ends in either half, and where it cannot be read', async (t) => {
  const fd = openBytes(t)
  for (const missing of [1, WORTH_TWO - 4096, WORTH_TWO])
    t.false(await readInTwo(fd, BigInt(bytes.length + missing - WORTH_TWO), Buffer.alloc(WORTH_TWO)))
  fs.closeSync(fd)
  const folder = fs.openSync(os.tmpdir(), 'r')
  t.false(await readInTwo(folder, 0n, Buffer.alloc(WORTH_TWO)))
  fs.closeSync(folder)
})
