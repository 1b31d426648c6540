import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { decode } from '../../src/frames/decode.js'
import { createEncoder } from '../../src/frames/encode.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { bytesInput, packageFile } from './support.js'

const FOLDER = packageFile('test/vectors/')

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))) {
  const [first, ...rest] = readFileSync(new URL(file, FOLDER), 'utf8').trimEnd().split('\n')
  const [, verb, at, types = ''] = /^(accept|truncate|refuse)(?: (\d+))?: ?(.*)$/.exec(first!)!
  const bytes = Buffer.from(rest.filter((line) => !line.startsWith('#')).join(''), 'hex')

  for (const step of [1, 7, 1 << 20])
    test(`vector ${file}, ${step} bytes a read: ${first}`, async (t) => {
      const seen: string[] = []
      const again: Buffer[] = []
      let refused: unknown
      try {
        const encoder = createEncoder()
        for await (const batch of decode(bytesInput(bytes, step))) {
          for (const frame of batch) seen.push(frame.raw ? frame.type : `(${frame.type})`)
          again.push(...encoder.encode(batch).map((piece) => Buffer.from(piece)))
        }
      } catch (error) {
        refused = error
      }
      t.is(seen.join(' '), types)
      if (verb === 'refuse') {
        t.true(refused instanceof FrameError)
        t.is((refused as FrameError).offset, BigInt(at!))
      } else t.is(refused, undefined)
      if (verb === 'accept') t.deepEqual(Buffer.concat(again), bytes, 'forwarded byte for byte')
    })
}
