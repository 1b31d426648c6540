import { spawnSync } from 'node:child_process'
import path from 'node:path'
import type { WritableCodec } from '../src/codecs/codec-error.js'
import { FOLDER } from './corpus.js'

/** An imager or a compressor that others know, on the same input: a shell's words, and what of ours it is beside. */
export interface Peer {
  readonly what: string
  readonly codec: WritableCodec
  readonly script: string
}

/** Names c-aff4's imager, which no distribution packs. */
const AFF4IMAGER = process.env.PMEM_BENCH_AFF4IMAGER

/** c-aff4's imager, as many threads as there are processors; undefined where it is not named, which is said. */
export function aff4imager(codec: WritableCodec, file: string, threads: number): string | undefined {
  if (AFF4IMAGER === undefined) return undefined
  const out = path.join(FOLDER, 'theirs.aff4')
  return `'${AFF4IMAGER}' --threads ${threads} -c ${codec} -t -i ${file} -o ${out} > /dev/null 2>&1`
}

export const AFF4IMAGER_ABSENT =
  "c-aff4's aff4imager: not measured (PMEM_BENCH_AFF4IMAGER is to name the program)"

/** Programs that are packed, each in the form that is nearest to ours. A missing one ends the benchmark. */
export function peers(file: string): Peer[] {
  const out = path.join(FOLDER, 'theirs')
  const given: Peer[] = [
    { what: 'gzip -1', codec: 'zlib', script: `gzip -1 -c ${file} > ${out}` },
    { what: 'pigz -1', codec: 'zlib', script: `pigz -1 -c ${file} > ${out}` },
    {
      what: 'ewfacquirestream -c fast',
      codec: 'zlib',
      script: `rm -f ${out}.E01; ewfacquirestream -q -c fast -t ${out} < ${file} > /dev/null 2>&1`,
    },
    { what: 'zstd -1 -T0', codec: 'snappy', script: `zstd -q -1 -T0 -c ${file} > ${out}` },
    { what: 'lz4 -1', codec: 'lz4', script: `lz4 -q -1 -c ${file} > ${out}` },
    {
      what: 'dd | sha256sum',
      codec: 'snappy',
      script: `dd bs=1M status=none if=${file} | sha256sum > ${out}`,
    },
  ]
  for (const { what } of given) {
    const [program] = what.split(' ') as [string]
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
      throw new Error(`${program} is not installed: npm run bench measures beside it`)
  }
  return given
}
