import type { PlacedRun } from '../placed-runs.js'

/** A block of memory as the stream announces it. */
export interface Block {
  readonly name: string
  /** In bytes. */
  readonly size: bigint
}

/** How a machine of QEMU lays out its memory. */
interface Machine {
  /** The name that the stream begins with, or the name of the block. */
  readonly machine: RegExp
  readonly block: string
  /** Address of the block's first byte. */
  readonly base: bigint
  /** A memory of at least this size has a hole below 4 GiB, for devices. */
  readonly splitFrom?: bigint
  /** Where that hole begins. */
  readonly hole?: bigint
  /** e_machine of its processors. */
  readonly processor?: bigint
}

const X86 = 62n
const GIB = 1n << 30n
const HOLE_END = 4n * GIB

/** hw/i386/pc_piix.c, pc_q35.c, microvm.c; hw/arm/virt.c; hw/riscv/virt.c: what they do unless they are told otherwise. */
const MACHINES: readonly Machine[] = [
  pc(/^pc-(?:i440fx-)?[01]\.\d+$/, 0xe0000000n, 0xe0000000n),
  pc(/^pc-q35-1\.\d+$/, 0xb0000000n, 0xb0000000n),
  pc(/^pc-q35-/, 0xb0000000n, 0x80000000n),
  pc(/^pc-i440fx-/, 0xe0000000n, 0xc0000000n),
  { ...pc(/^microvm$/, 0xc0000000n, 0xc0000000n), block: 'microvm.ram' },
  pc(/^isapc$/, 0xe0000000n, 0xe0000000n),
  { machine: /^virt/, block: 'mach-virt.ram', base: GIB, processor: 183n },
  { machine: /^virt/, block: 'riscv_virt_board.ram', base: 2n * GIB, processor: 243n },
]

function pc(machine: RegExp, splitFrom: bigint, hole: bigint): Machine {
  return { machine, block: 'pc.ram', base: 0n, splitFrom, hole, processor: X86 }
}

/** Memory as NUMA nodes have it, in their order. */
const NODE = /^ram-node(\d+)$/
/** Smaller ones, and those of these names, are devices' and firmware's own. */
const WORTH_TELLING = 16n << 20n
const DEVICE_MEMORY = /vram|\/rom@|\.rom$|flash/i

export interface Layout {
  /** The blocks that are the machine's memory, in the order of their addresses. */
  readonly memory: readonly Block[]
  /** Where the machine has it; offsets are those of the blocks one behind the other. */
  readonly pieces: readonly PlacedRun[]
  readonly processor: bigint | undefined
  readonly remarks: readonly string[]
}

/**
 * Where a machine has its memory.
 * @param name of the machine, where it is told
 * @returns undefined where no block can be its memory
 */
export function layOut(name: string | undefined, blocks: readonly Block[]): Layout | undefined {
  const memory = memoryBlocks(name, blocks)
  const [first] = memory
  if (!first) return undefined
  const size = memory.reduce((sum, block) => sum + block.size, 0n)
  const known = MACHINES.find(
    ({ machine, block }) =>
      name !== undefined && machine.test(name) && (block === first.name || !isMemoryOfAny(first.name)),
  )
  const remarks = blocks
    .filter(
      (block) => !memory.includes(block) && block.size >= WORTH_TELLING && !DEVICE_MEMORY.test(block.name),
    )
    .map(
      (block) =>
        `memory ${block.name} of ${block.size} bytes is not read: nothing tells where the machine has it`,
    )
  if (!known)
    remarks.push(
      `how a machine ${name ?? 'without a name'} lays out its memory is not known: ${first.name} is taken to begin at 0`,
    )
  const base = known?.base ?? 0n
  const { splitFrom, hole } = known ?? {}
  const pieces =
    splitFrom === undefined || hole === undefined || size < splitFrom
      ? [{ start: base, length: size, offset: 0n }]
      : [
          { start: base, length: hole, offset: 0n },
          { start: HOLE_END, length: size - hole, offset: hole },
        ]
  return {
    memory,
    pieces: pieces.filter(({ length }) => length > 0n),
    processor: known?.processor,
    remarks,
  }
}

const isMemoryOfAny = (name: string) => MACHINES.some(({ block }) => block === name)

function memoryBlocks(name: string | undefined, blocks: readonly Block[]): Block[] {
  const named = blocks.filter((block) => isMemoryOfAny(block.name))
  const own = named.find(({ name: block }) =>
    MACHINES.some((known) => known.block === block && (name === undefined || known.machine.test(name))),
  )
  const one = own ?? named[0]
  if (one) return [one]
  const nodes = blocks.filter((block) => NODE.test(block.name))
  if (nodes.length > 0) return nodes.sort((a, b) => nodeOf(a) - nodeOf(b))
  const others = blocks.filter((block) => block.size > 0n && !DEVICE_MEMORY.test(block.name))
  return others.sort((a, b) => (a.size > b.size ? -1 : 1)).slice(0, 1)
}

const nodeOf = ({ name }: Block) => Number(NODE.exec(name)?.[1] ?? 0)
