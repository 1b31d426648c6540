import { spawnSync } from 'node:child_process'
import type { CodecName } from '../../src/codecs/codec-error.js'

/** Debian's Python with its zlib, snappy and lz4: the other side of every codec. */
const SCRIPT = `
import base64, json, sys, zlib, snappy, lz4.block
def inflate(data, size): return zlib.decompressobj(-15).decompress(data)
def deflate(data):
    c = zlib.compressobj(6, zlib.DEFLATED, -15)
    return c.compress(data) + c.flush()
CODECS = {
    'none': (bytes, lambda data, size: data),
    'zlib': (zlib.compress, lambda data, size: zlib.decompress(data)),
    'deflate': (deflate, inflate),
    'snappy': (snappy.compress, lambda data, size: snappy.decompress(data)),
    'lz4': (lambda data: lz4.block.compress(data, store_size=False),
            lambda data, size: lz4.block.decompress(data, uncompressed_size=size)),
}
for line in sys.stdin:
    way, codec, data, size = json.loads(line)
    compress, decompress = CODECS[codec]
    data = base64.b64decode(data)
    out = compress(data) if way == 'compress' else decompress(data, size)
    print(base64.b64encode(out).decode())
`

export interface PythonJob {
  readonly way: 'compress' | 'decompress'
  readonly codec: CodecName
  readonly bytes: Uint8Array
  /** Size of the decompressed form. */
  readonly size: number
}

/** Runs all jobs in one Python process. */
export function python(jobs: readonly PythonJob[]): Buffer[] {
  const input = jobs
    .map(({ way, codec, bytes, size }) =>
      JSON.stringify([way, codec, Buffer.from(bytes).toString('base64'), size]),
    )
    .join('\n')
  const { stdout, stderr, status, error } = spawnSync('/usr/bin/python3', ['-c', SCRIPT], {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 30,
  })
  if (error || status !== 0) throw new Error(`python3: ${error?.message ?? stderr}`)
  return stdout
    .split('\n')
    .slice(0, jobs.length)
    .map((line) => Buffer.from(line, 'base64'))
}
