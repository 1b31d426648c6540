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
  /** The only stream that it sends, by its name. */
  truth: Record<string, string>
  runs: readonly Span[]
  /** It is more than bytes from 0 on: some sinks take only this. */
  isMemory: boolean
}

export interface Sink {
  words: readonly string[]
  /** Name of the output, which it writes in its working folder. */
  out: string
  /** What reads it: for `image` our own reader of the format. */
  kind: Asked['kind'] | 'image'
  format?: string
  takes: (source: Source) => boolean
  /** Bytes that came and may be lost when the sink is killed, or its output can no longer be written. */
  lag: number
}

export interface Pipeline {
  source: Source
  transforms: readonly string[]
  sink: Sink
}

const MIB = 1 << 20

export function sources({ flat, memory, ntfsFile }: Evidence, sizeOf: (name: string) => number): Source[] {
  const logFile = { truth: { $LogFile: ntfsFile.truth }, runs: [[0, ntfsFile.size]] as const }
  const one = (command: string, reads: string, stream: string, isMemory: boolean): Source => ({
    command,
    reads,
    size: sizeOf(reads),
    truth: { [stream]: isMemory ? memory.truth : flat },
    runs: isMemory ? memory.runs : [[0, sizeOf('evidence.raw')]],
    isMemory,
  })
  const images = ['memory.lime', 'memory.avml', 'memory.core', 'memory.kdump', 'memory.dmp', 'memory.E01']
  return [
    one('file-cat evidence.raw', 'evidence.raw', 'evidence.raw', false),
    one('image-cat evidence.raw', 'evidence.raw', 'evidence.raw', false),
    one('image-cat evidence.E01', 'evidence.E01', 'evidence.raw', false),
    one('aff4-cat evidence.aff4', 'evidence.aff4', 'evidence.raw', false),
    { ...one('ntfs-cat ntfs.raw 2', 'ntfs.raw', '$LogFile', false), ...logFile },
    one('pmem-read-kcore --kcore kernel.ram --iomem iomem', 'kernel.ram', 'PhysicalMemory', true),
    one('aff4-cat memory.aff4', 'memory.aff4', 'PhysicalMemory', true),
    ...images.map((name) => one(`image-cat ${name}`, name, 'PhysicalMemory', true)),
  ]
}

const sink = (command: string, out: string, kind: Sink['kind'], more: Partial<Sink> = {}): Sink => ({
  words: [...command.split(' '), out],
  out,
  kind,
  takes: () => true,
  lag: 4 * MIB,
  ...more,
})

const isMemory = (source: Source) => source.isMemory

/** More than there is: bevies, records of AVML, chunks of E01 and pages of kdump are found by tables that follow. */
const BEVY = { lag: 64 * MIB }

export const SINKS: readonly Sink[] = [
  sink('raw-sink', 'out.raw', 'raw'),
  sink('raw-sink --holes seek', 'out.raw', 'raw'),
  sink('aff4-sink', 'out.aff4', 'aff4', BEVY),
  sink('aff4-sink --block-hashes', 'out.aff4', 'aff4', BEVY),
  sink('aff4-sink --logical', 'out.aff4', 'aff4', BEVY),
  sink('lime-sink', 'out.lime', 'lime'),
  sink('avml-sink', 'out.avml', 'avml', { lag: 64 * MIB }),
  sink('elf-sink', 'out.core', 'elf'),
  sink('ewf-sink', 'out.E01', 'image', { format: 'ewf', lag: 64 * MIB }),
  sink('crashdump-sink', 'out.dmp', 'image', { format: 'crashdump', lag: 4 * MIB, takes: isMemory }),
  sink('kdump-sink', 'out.kdump', 'image', { format: 'kdump', lag: 64 * MIB, takes: isMemory }),
  sink('zip-sink', 'out.zip', 'zip', { lag: 64 * MIB }),
  {
    ...sink('files-sink -C', 'evidence.raw', 'raw', BEVY),
    words: ['files-sink', '-C', '.'],
    takes: ({ command }) => command === 'file-cat evidence.raw',
  },
  { ...sink('', 'out.raw', 'raw', BEVY), words: ['pmem-tee', 'raw-sink --ignore-space out.raw'] },
  {
    ...sink('', 'out.aff4', 'aff4', BEVY),
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
  'pmem-select --range 0-1g',
  'pmem-throttle 1g',
  'pmem-progress',
] as const

export function drawPipeline(all: readonly Source[], random: Random): Pipeline {
  const sink = SINKS[random(SINKS.length)]!
  const possible = all.filter(sink.takes)
  const transforms = Array.from({ length: random(4) }, () => TRANSFORMS[random(TRANSFORMS.length)]!)
  return { source: possible[random(possible.length)]!, transforms, sink }
}
