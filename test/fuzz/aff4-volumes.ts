import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { data, fill, memory, runTool, stream, transmission } from '../sinks/pipeline.js'

/** How a volume to damage is made: transforms, and words for aff4-sink. */
const WAYS: Record<string, [transforms: string[], words: string[]]> = {
  stored: [['pmem-chunk 4k'], []],
  zlib: [['pmem-compress zlib --chunk-size 4k'], []],
  'snappy with block hashes': [['pmem-compress snappy --chunk-size 4k'], ['--block-hashes']],
  'lz4, logical': [['pmem-compress lz4 --chunk-size 4k'], ['--logical']],
}

/** Small volumes of our own, their evidence hashed. */
export async function smallVolumes(): Promise<Map<string, Buffer>> {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-fuzz-'))
  const pages = Array.from({ length: 6 }, (_, page) =>
    page % 2
      ? createHash('sha512').update(String(page)).digest().toString('hex').repeat(32)
      : 'page '.repeat(819),
  )
  const bytes = Buffer.from(pages.join(''), 'latin1').subarray(0, 24_000)
  const body = memory({ name: 'memory', kind: 'map' })
  const frames = stream(body, [
    data(0x1000n, bytes),
    fill(0x8000n, 0x3000n, 'zero'),
    fill(0xb000n, 0x1000n, 'unreadable'),
  ])
  const volumes = new Map<string, Buffer>()
  try {
    for (const [name, [transforms, words]] of Object.entries(WAYS)) {
      let sent: Buffer = transmission(frames)
      for (const transform of [...transforms, 'pmem-hash sha256']) {
        const [tool, ...rest] = transform.split(' ')
        sent = (await runTool(tool!, rest, sent)).stdout
      }
      const out = path.join(folder, `${volumes.size}.aff4`)
      const { status, stderr } = await runTool('aff4-sink', [...words, out], sent)
      if (status !== 2) throw new Error(`aff4-sink: ${status}: ${stderr}`)
      volumes.set(name, readFileSync(out))
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  return volumes
}
