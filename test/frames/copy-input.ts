import fs from 'node:fs'
import { openPipeInput } from '../../src/frames/pipe-input.js'

// A program of its own: `node copy-input.js STEP` copies standard input, read by steps of that many bytes.

const input = openPipeInput(0, 'standard input')
const into = Buffer.alloc(Number(process.argv[2]))
for (let count = await input.read(into); count > 0; count = await input.read(into))
  for (let at = 0; at < count; ) at += fs.writeSync(1, into, at, count - at)
process.exit()
