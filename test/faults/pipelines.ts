import path from 'node:path'
import type { FarHost } from '../sources/ssh/far-host.js'
import type { Asked, Span } from './contents.js'
import type { Evidence } from './evidence.js'

type Random = (below: number) => number

export interface Source {
  /** Run in the folder of the evidence. */
  command: string
  /** Part of the path of what it reads. */
  reads: string
  /** Bytes of that. */
  size: number
  /** Streams that it sends, by their names. Those behind the first are small files, which come from a memory alone. */
  truth: Record<string, string>
  /** Of the first. */
  runs: readonly Span[]
  /** Some sinks take only memory with physical addresses, and few that of a process. */
  kind: 'file' | 'memory' | 'process'
  /** What is struck is its link to this host. */
  link?: FarHost
}

export interface Sink {
  words: readonly string[]
  /** Name of the output, which it writes in its working folder. */
  out: string
  /** What reads it: for `image` our own reader of the format. */
  kind: Asked['kind'] | 'image'
  format?: string
  takes: (source: Source) => boolean
  /** Small files that come after a memory are in it, too. */
  takesFiles?: true
  /** Bytes that came and may be lost when the sink is killed, or its output can no longer be written. */
  lag: number
  /** Frames go on to another when it has failed. */
  shares?: true
}

/** A volume that is there before, and is added to. */
export interface Given {
  /** Its name in the folder of the evidence. */
  from: string
  /** Its name where the sink runs. */
  name: string
  /** The only stream that it holds; of one that is completed the one that comes. */
  truth: Record<string, string>
  /** What it lacks comes. */
  completes: boolean
}

export interface Pipeline {
  source: Source
  transforms: readonly string[]
  sink: Sink
  given?: Given
}

const MIB = 1 << 20
/** Bytes of memory of which each byte of pagemap tells. */
const OF_ENTRY = 4096 / 8

export function sources(evidence: Evidence, sizeOf: (name: string) => number): Source[] {
  const { flat, memory, ntfsFile, host, info, still } = evidence
  const far = [
    'pmem-read-ssh',
    '--kcore',
    path.join(evidence.folder, 'kernel.ram'),
    '--iomem',
    path.join(evidence.folder, 'iomem'),
  ]
  const logFile = { truth: { $LogFile: ntfsFile.truth }, runs: [[0, ntfsFile.size]] as const }
  const file = (command: string, reads: string, stream = 'evidence.raw'): Source => ({
    command,
    reads,
    size: sizeOf(reads),
    truth: { [stream]: flat },
    runs: [[0, sizeOf('evidence.raw')]],
    kind: 'file',
  })
  const ram = (command: string, reads: string): Source => ({
    command,
    reads,
    size: sizeOf(reads),
    truth: { PhysicalMemory: memory.truth },
    runs: memory.runs,
    kind: 'memory',
  })
  /** Read from where its ranges stand in a file, and no further. */
  const flatRam = (command: string, reads: string): Source => ({
    ...ram(command, reads),
    size: memory.runs.reduce((sum, [start, end]) => sum + end - start, 0),
  })
  const large = { size: sizeOf('large.raw'), runs: [[0, sizeOf('large.raw')]] as const }
  const mac = flatRam('pmem-read-osxpmem --device memory.truth --info mac.yaml', 'memory.truth')
  const windows = [process.execPath, path.resolve('dist/test/faults/scripted-winpmem.js'), 'memory.truth']
  const overSsh = (...options: string[]) =>
    flatRam([...far, ...options, 'far', '--', ...host.sshOptions].join(' '), 'kernel.ram')
  const ofStill = (reads: string, size: number): Source => ({
    command: `pmem-read-process ${still.pid}`,
    reads,
    size,
    truth: { [`process/${still.pid}/memory`]: still.truth, [`process/${still.pid}/maps`]: still.maps },
    runs: still.runs,
    kind: 'process',
  })
  const images = ['memory.lime', 'memory.avml', 'memory.core', 'memory.kdump', 'memory.dmp', 'memory.E01']
  return [
    file('file-cat evidence.raw', 'evidence.raw'),
    file('image-cat evidence.raw', 'evidence.raw'),
    file('image-cat evidence.E01', 'evidence.E01'),
    file('aff4-cat evidence.aff4', 'evidence.aff4'),
    { ...file('ntfs-cat ntfs.raw 2', 'ntfs.raw'), ...logFile },
    flatRam('pmem-read-kcore --kcore kernel.ram --iomem iomem', 'kernel.ram'),
    { ...mac, truth: { ...mac.truth, 'mac.yaml': info } },
    flatRam([...windows, 'mac.yaml'].join(' '), 'memory.truth'),
    // What ssh prints comes through a socket.
    { ...overSsh('--retries', '1'), reads: 'socket:' },
    { ...overSsh(), link: host },
    ofStill(`/proc/${still.pid}/mem`, sizeOf('still.truth')),
    ofStill(`/proc/${still.pid}/pagemap`, sizeOf('still.truth') / OF_ENTRY),
    ofStill('/memfd:still', MIB),
    ram('aff4-cat memory.aff4', 'memory.aff4'),
    { ...file('file-cat large.raw', 'large.raw'), truth: { 'large.raw': evidence.large }, ...large },
    { ...ram('image-cat large.lime', 'large.lime'), truth: { PhysicalMemory: evidence.large }, ...large },
    ...images.map((name) => ram(`image-cat ${name}`, name)),
  ]
}

const sink = (command: string, out: string, kind: Sink['kind'], more: Partial<Sink> = {}): Sink => ({
  words: [...command.split(' '), out],
  out,
  kind,
  takes: ({ kind }) => kind !== 'process',
  lag: 4 * MIB,
  ...more,
})

export const isLarge = ({ reads }: Source): boolean => reads.startsWith('large.')
const isMemory = ({ kind }: Source) => kind === 'memory'
/** It takes all that there is. */
const ALL: Partial<Sink> = { takes: () => true, takesFiles: true }

/** Two bevies of 16 MiB, or records of AVML, and what is on its way to them: they are found by what follows them. */
const BEVY = { lag: 36 * MIB }
const VOLUME = { ...ALL, ...BEVY }
/** Pages of kdump are found by descriptors, which are written for some at once. */
const DESCRIPTORS = { lag: 24 * MIB }
/** Chunks of E01 are found by tables, each behind 32 MiB of them. */
const TABLE = { lag: 40 * MIB }
/** What pmem-tee has taken for a branch that is busy. */
const TEE = 8 * MIB

export const SINKS: readonly Sink[] = [
  sink('raw-sink', 'out.raw', 'raw'),
  sink('raw-sink --holes seek', 'out.raw', 'raw'),
  sink('aff4-sink', 'out.aff4', 'aff4', VOLUME),
  sink('aff4-sink --block-hashes', 'out.aff4', 'aff4', VOLUME),
  sink('aff4-sink --logical', 'out.aff4', 'aff4', VOLUME),
  sink('lime-sink', 'out.lime', 'lime'),
  sink('avml-sink', 'out.avml', 'avml', BEVY),
  sink('elf-sink', 'out.core', 'elf', { takes: () => true }),
  sink('ewf-sink', 'out.E01', 'image', { format: 'ewf', ...TABLE }),
  sink('crashdump-sink', 'out.dmp', 'image', { format: 'crashdump', takes: isMemory }),
  sink('kdump-sink', 'out.kdump', 'image', { format: 'kdump', ...DESCRIPTORS, takes: isMemory }),
  sink('zip-sink', 'out.zip', 'zip', { takesFiles: true }),
  {
    ...sink('files-sink -C', 'evidence.raw', 'raw'),
    words: ['files-sink', '-C', '.'],
    takes: ({ command }) => command === 'file-cat evidence.raw',
  },
  {
    ...sink('', 'out.raw', 'raw', { lag: 4 * MIB + TEE }),
    words: ['pmem-tee', 'raw-sink --ignore-space out.raw'],
  },
  {
    ...sink('', 'out.aff4', 'aff4', { ...VOLUME, lag: BEVY.lag + TEE, shares: true }),
    words: ['pmem-tee', 'cat >/dev/null', 'aff4-sink --ignore-space out.aff4'],
  },
]

const TRANSFORMS = [
  'pmem-chunk',
  'pmem-chunk 4k',
  'pmem-compress snappy',
  'pmem-compress lz4',
  'pmem-compress zlib',
  'pmem-compress -j 1 zlib',
  'pmem-decompress',
  'pmem-hash sha256 md5',
  'pmem-select --range 0-0xffffffffffffffff',
  'pmem-throttle 1g',
  'pmem-progress',
] as const

const COMPRESSED = ['pmem-compress snappy', 'pmem-compress -j 1 zlib'] as const

/** A volume of which not all came is completed, or one that is whole appended to. */
export function drawAddition(all: readonly Source[], random: Random): Pipeline {
  const sink = SINKS.find(({ words }) => words.join(' ') === 'aff4-sink out.aff4')!
  const compress = COMPRESSED[random(COMPRESSED.length)]!
  const completes = random(3) > 0
  if (!completes) {
    const truth = all.find(({ reads }) => reads === 'evidence.aff4')!.truth
    const given = { from: 'evidence.aff4', name: 'out.aff4', truth, completes }
    const possible = all.filter((source) => isMemory(source) && !isLarge(source))
    return { source: possible[random(possible.length)]!, transforms: [compress], sink, given }
  }
  // By the name of its stream a volume is known.
  const possible = all.filter(
    ({ command, kind }) => !/ntfs-cat|evidence.E01|large/.test(command) && kind !== 'process',
  )
  const source = possible[random(possible.length)]!
  const name = 'out.partial.aff4'
  const from = isMemory(source) ? 'memory.partial.aff4' : 'evidence.partial.aff4'
  const select = `pmem-select --missing-from ${name}`
  return {
    source,
    transforms: [select, compress],
    sink,
    given: { from, name, truth: source.truth, completes },
  }
}

export function drawPipeline(all: readonly Source[], random: Random): Pipeline {
  const sink = SINKS[random(SINKS.length)]!
  const possible = all.filter((source) => sink.takes(source) && !isLarge(source))
  const transforms = Array.from({ length: random(4) }, () => TRANSFORMS[random(TRANSFORMS.length)]!)
  return { source: possible[random(possible.length)]!, transforms, sink }
}
