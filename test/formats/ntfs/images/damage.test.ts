import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { DAMAGES } from './damage.js'
import { edit } from './editor.js'
import { image } from './image.js'
import { icat } from './peers.js'

test('each damage changes something, and leaves a file beside it to be read', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const small = await image('small')
  const sound = edit(small).bytes
  const beside = small.manifest.streams.find((stream) => stream.path === 'size-65537')!
  const file = path.join(folder, 'damaged')
  for (const { name, path: damaged, patch } of DAMAGES) {
    const volume = edit(small)
    patch(volume)
    t.false(volume.bytes.equals(sound), name)
    if (damaged === undefined) continue
    writeFileSync(file, volume.bytes)
    t.is(beside.sha256, createHash('sha256').update(icat(file, beside.record)).digest('hex'), name)
  }
})
