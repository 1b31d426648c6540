import type { Facts } from '../../../src/formats/image/facts.js'
import type { Image } from '../../../src/formats/image/image.js'
import type { Batch, Frame, Frames } from '../../../src/frames/frame.js'
import { describeImage } from '../../../src/sources/image/image-facts.js'
import { data, fill, hex, memory, ranges, stream } from '../../sinks/pipeline.js'

const PAGE = 0x1000n

type Kind = 'bytes' | 'zero' | 'unreadable' | 'unknown'
type Piece = readonly [start: bigint, length: bigint, kind: Kind]

/** What a source sends. */
export interface Evidence {
  readonly pieces: readonly Piece[]
  readonly facts: Facts
}

const LINUX: Facts = {
  system: 'Linux',
  machine: 62n,
  processors: 2n,
  pageSize: 4096n,
  kernelRelease: '6.1.0-13-amd64',
  kernelVersion: '#1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1',
  hostName: 'grüner-host',
  bootCommandLine: 'root=/dev/vda1 quiet',
  kaslrShift: 0x1380_0000n,
  physBase: 0x1_0000_0000n - 0x1380_0000n,
  directMapBase: 0xffff_8880_0000_0000n,
  vmcoreinfo:
    'OSRELEASE=6.1.0-13-amd64\nPAGESIZE=4096\nSYMBOL(swapper_pg_dir)=ffffffff82a10000\nNUMBER(phys_base)=3967811584\nKERNELOFFSET=13800000\n',
  acquisitionTime: 1_767_225_600_000_000_000n,
  acquisitionTool: 'pmem',
  caseNumber: '7',
  evidenceNumber: '7/1',
  examiner: 'Jane Roe',
  description: 'the server',
  caseNotes: 'found running',
}

const WINDOWS: Facts = {
  system: 'Windows',
  machine: 62n,
  processors: 4n,
  pageTableRoot: 0x1a_d000n,
  cr3: 0x1a_d002n,
  ntBuild: 19045n,
  ntBuildNumberAddress: 0x1234n,
  ntKernelBase: 0xffff_f800_1000_0000n,
  kdDebuggerDataBlock: 0xffff_f800_1234_5678n,
  pfnDataBase: 0xffff_fa80_0000_0000n,
  psLoadedModuleList: 0xffff_f800_1111_0000n,
  psActiveProcessHead: 0xffff_f800_2222_0000n,
  acquisitionTime: 1_767_225_601_000_000_000n,
}

/** Each of another kind. */
export const EVIDENCE: Readonly<Record<string, Evidence>> = {
  'no facts': {
    pieces: [
      [PAGE, 2n * PAGE, 'bytes'],
      [5n * PAGE, PAGE, 'bytes'],
    ],
    facts: {},
  },
  'bad pages': {
    pieces: [
      [PAGE, 0x20n * PAGE, 'bytes'],
      [0x21n * PAGE, 2n * PAGE, 'unreadable'],
      [0x23n * PAGE, PAGE, 'bytes'],
      [0x24n * PAGE, PAGE, 'unknown'],
      [0x25n * PAGE, 3n * PAGE, 'bytes'],
      [0x28n * PAGE, 0x10n * PAGE, 'zero'],
      [0x80n * PAGE, 8n * PAGE, 'bytes'],
      [0x88n * PAGE, PAGE, 'unreadable'],
    ],
    facts: LINUX,
  },
  '3,000 ranges': {
    pieces: Array.from({ length: 3000 }, (_, i): Piece => [BigInt(2 * i + 1) * PAGE, PAGE, 'bytes']),
    facts: {},
  },
  'above 4 GiB': {
    pieces: [
      [PAGE, 0x9en * PAGE, 'bytes'],
      [0x10_0000n, 0x40n * PAGE, 'bytes'],
      [0x1_0000_0000n, 0x41n * PAGE, 'bytes'],
      [0x1_8000_0000n, 3n * PAGE, 'zero'],
    ],
    facts: WINDOWS,
  },
}

/** A page of which each eight bytes say where they are, or that compresses well, in turn. */
function pageAt(address: bigint): Buffer {
  const page = Buffer.alloc(Number(PAGE), `page at ${hex(address)} `)
  if ((address / PAGE) % 2n === 0n)
    for (let at = 0; at < page.length; at += 8)
      page.writeBigUInt64LE(BigInt.asUintN(64, (address + BigInt(at)) * 0x9e37_79b9_7f4a_7c15n), at)
  return page
}

function frameOf([start, length, kind]: Piece): Frame {
  if (kind !== 'bytes') return fill(start, length, kind)
  const pages = Array.from({ length: Number(length / PAGE) }, (_, i) => pageAt(start + BigInt(i) * PAGE))
  return data(start, Buffer.concat(pages))
}

/**
 * The evidence as a transmission.
 * @param host where it comes from, and when
 */
export async function* framesOf(
  { pieces, facts }: Evidence,
  host?: { host: string; started: string },
): Frames {
  const last = pieces.at(-1)!
  const size = last[0] + last[1]
  const body = memory({
    size: hex(size),
    ranges: ranges(...pieces.map(([start, length]): [bigint, bigint] => [start, length])),
  })
  const image: Pick<Image, 'category' | 'facts' | 'size'> = { category: 'memory:physical', facts, size }
  const turtle = describeImage(image as Image)
  const meta: Frame = { type: 'meta', stream: 1, time: 0n, turtle }
  const batch = (...frames: Frame[]): Batch => frames
  yield batch({
    type: 'start',
    stream: 0,
    time: 0n,
    body: { format: 1, ...host, programs: [{ name: 'test-source', version: '1', arguments: [] }] },
  })
  yield batch(...stream(body, [meta, ...pieces.map(frameOf)]))
  yield batch({ type: 'end', stream: 0, time: 0n, body: { status: 'complete', frames: 0, bytes: 0 } })
}
