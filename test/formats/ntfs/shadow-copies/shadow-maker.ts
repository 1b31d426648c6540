import type { Bytes } from '../../../../src/formats/byte-source.js'

/*
 * A volume with shadow copies, encoded apart from the code under test: it does what the snapshot driver of Windows does
 * before blocks are written or moved, and keeps what each copy must read as.
 */

export const BLOCK = 0x4000
const ENTRIES_PER_BLOCK = 508
const IDENTIFIER = '6b87083876c1484eb7ae04046e6cc752'
const VOLUME_HEADER = 0x1e00

interface Entry {
  readonly original: number
  readonly relative: number
  readonly place: number
  readonly flags: number
  readonly bits: number
}

interface Store {
  readonly id: Buffer
  readonly truth: Buffer
  /** By its bitmap. */
  readonly unused: ReadonlySet<number>
  /** By its bitmap and those of all copies before. */
  readonly neverUsed: ReadonlySet<number>
  readonly flags: bigint
  readonly entries: Entry[]
  /** Blocks of the volume that the copy needs no longer as they are now. */
  readonly free: Set<number>
  /** Blocks that were free and have data of the copy now. */
  readonly holds: Set<number>
  /** Where pieces of a block lie. */
  readonly overlays: Map<number, number>
}

export interface MakerOptions {
  /** Blocks that evidence may be in; the driver's own follow. */
  readonly blocks: number
  readonly area: number
  /** Room of a block of a list; less than 508 makes longer chains. */
  readonly entriesPerBlock?: number
}

export interface ShadowVolume {
  readonly bytes: Buffer
  readonly stores: readonly Store[]
  /** Makes a shadow copy. What is unused is not kept for it. */
  snapshot(unused?: ReadonlySet<number>, flags?: bigint): void
  /** Writes a block as the file system does. */
  write(block: number, content: Bytes): void
  /** Moves a block to another one, as defragmentation does, and then reuses the first. */
  move(from: number, to: number, content: Bytes): void
  /** Changes pieces of a block within the newest copy, as writers do before it is finished. */
  amend(block: number, bits: number, content: Bytes): void
  /** Appends an entry as it is. */
  entry(store: number, entry: Partial<Entry>): void
  /** A block of the area, with this content. */
  store(content: Bytes): number
  /** Writes all that the driver keeps. */
  finish(): Buffer
}

export function makeShadowVolume(options: MakerOptions, content: Bytes): ShadowVolume {
  const { blocks, area, entriesPerBlock = ENTRIES_PER_BLOCK } = options
  const bytes = Buffer.alloc((blocks + area) * BLOCK)
  bytes.set(content.subarray(0, blocks * BLOCK))
  bytes.write('NTFS    ', 3, 'latin1')
  const stores: Store[] = []
  let taken = blocks

  const allocate = () => {
    if (taken === blocks + area) throw new Error('the area is too small')
    return taken++
  }
  const blockOf = (block: number) => bytes.subarray(block * BLOCK, (block + 1) * BLOCK)
  const store = (of: Bytes) => {
    const place = allocate()
    blockOf(place).set(of)
    return place
  }
  const isNeeded = (newest: Store, block: number) =>
    !newest.free.has(block) && (!newest.neverUsed.has(block) || newest.holds.has(block))
  const keep = (block: number) => {
    const newest = stores.at(-1)
    if (!newest || !isNeeded(newest, block)) return
    newest.free.add(block)
    newest.entries.push({ original: block, relative: 0, place: store(blockOf(block)), flags: 0, bits: 0 })
  }

  function header(at: number, type: number, next: number): void {
    bytes.write(IDENTIFIER, at, 'hex')
    bytes.writeUInt32LE(type === 1 ? 2 : 1, at + 16)
    bytes.writeUInt32LE(type, at + 20)
    bytes.writeBigUInt64LE(BigInt(at), at + 32)
    bytes.writeBigUInt64LE(BigInt(next), at + 40)
  }

  /** A structure of as many blocks as it takes; what is left over of each stays zero. */
  function chain(type: number, payloads: readonly Buffer[]): bigint {
    const at = payloads.map(() => allocate() * BLOCK)
    for (const [index, payload] of payloads.entries()) {
      header(at[index]!, type, at[index + 1] ?? 0)
      bytes.set(payload, at[index]! + 128)
    }
    return BigInt(at[0] ?? 0)
  }

  function blockList(entries: readonly Entry[]): bigint {
    const payloads: Buffer[] = []
    for (let from = 0; from < entries.length; from += entriesPerBlock)
      payloads.push(Buffer.concat(entries.slice(from, from + entriesPerBlock).map(encodeEntry)))
    return chain(3, payloads)
  }

  function bitmap(unused: ReadonlySet<number>): bigint {
    const bits = Buffer.alloc(Math.ceil((blocks + area) / 8))
    for (const block of unused) bits[block >> 3]! |= 1 << (block & 7)
    const payloads: Buffer[] = []
    for (let from = 0; from < bits.length; from += BLOCK - 128)
      payloads.push(bits.subarray(from, from + BLOCK - 128))
    return chain(6, payloads)
  }

  return {
    bytes,
    stores,
    store,
    snapshot(wanted = new Set(), flags = 0x400n) {
      const unused = new Set([...wanted].filter((block) => !stores.some(({ holds }) => holds.has(block))))
      const before = stores.at(-1)
      const neverUsed = new Set([...unused].filter((block) => !before || before.neverUsed.has(block)))
      const id = Buffer.alloc(16, stores.length + 1)
      const fresh = { entries: [], free: new Set<number>(), holds: new Set<number>(), overlays: new Map() }
      stores.push({ id, truth: Buffer.from(bytes), unused, neverUsed, flags, ...fresh })
    },
    write(block, content) {
      keep(block)
      blockOf(block).set(content)
    },
    move(from, to, content) {
      keep(to)
      blockOf(to).set(blockOf(from))
      const newest = stores.at(-1)
      if (newest && isNeeded(newest, from)) {
        newest.entries.push({ original: from, relative: to * BLOCK, place: 0, flags: 1, bits: 0 })
        newest.free.add(from)
        newest.free.delete(to)
        newest.holds.delete(from)
        newest.holds.add(to)
      }
      blockOf(from).set(content)
    },
    amend(block, bits, content) {
      const newest = stores.at(-1)!
      const place = newest.overlays.get(block) ?? allocate()
      newest.overlays.set(block, place)
      newest.entries.push({ original: block, relative: 1, place, flags: 2, bits })
      for (let piece = 0; piece < 32; piece++)
        if ((bits >>> piece) & 1) {
          const part = content.subarray(piece * 512, piece * 512 + 512)
          newest.truth.set(part, block * BLOCK + piece * 512)
          blockOf(place).set(part, piece * 512)
        }
    },
    entry(index, entry) {
      stores[index]!.entries.push({ original: 0, relative: 0, place: 0, flags: 0, bits: 0, ...entry })
    },
    finish() {
      const catalog: Buffer[] = []
      for (const [index, { id, flags, entries, unused }] of stores.entries()) {
        const what = catalogEntry(2, id)
        what.writeBigUInt64LE(BigInt(bytes.length), 8)
        what.writeBigUInt64LE(BigInt(index + 10), 32)
        what.writeBigUInt64LE(flags, 40)
        what.writeBigUInt64LE(132_000_000_000_000_000n + BigInt(index) * 10_000_000n, 48)
        const where = catalogEntry(3, id)
        where.writeBigUInt64LE(blockList(entries), 8)
        where.writeBigUInt64LE(chain(4, [storeHeader(index)]), 32)
        where.writeBigUInt64LE(bitmap(unused), 48)
        const before = stores[index - 1]
        if (before) where.writeBigUInt64LE(bitmap(before.neverUsed), 72)
        // Newest first: no reader may rely on the order.
        catalog.unshift(what, where)
      }
      const at = chain(2, [Buffer.concat(catalog)])
      bytes.fill(0, VOLUME_HEADER, VOLUME_HEADER + 512)
      header(VOLUME_HEADER, 1, 0)
      bytes.writeBigUInt64LE(BigInt(VOLUME_HEADER), VOLUME_HEADER + 24)
      bytes.writeBigUInt64LE(at, VOLUME_HEADER + 48)
      bytes.write('aa'.repeat(16) + 'aa'.repeat(16), VOLUME_HEADER + 64, 'hex')
      return bytes
    },
  }
}

function encodeEntry({ original, relative, place, flags, bits }: Entry): Buffer {
  const entry = Buffer.alloc(32)
  entry.writeBigUInt64LE(BigInt(original) * BigInt(BLOCK), 0)
  entry.writeBigUInt64LE(BigInt(relative), 8)
  entry.writeBigUInt64LE(BigInt(place) * BigInt(BLOCK), 16)
  entry.writeUInt32LE(flags, 24)
  entry.writeUInt32LE(bits >>> 0, 28)
  return entry
}

function catalogEntry(type: number, id: Buffer): Buffer {
  const entry = Buffer.alloc(128)
  entry.writeUInt32LE(type, 0)
  entry.set(id, 16)
  return entry
}

function storeHeader(index: number): Buffer {
  const name = (text: string) => {
    const encoded = Buffer.from(text, 'utf16le')
    const length = Buffer.alloc(2)
    length.writeUInt16LE(encoded.length)
    return Buffer.concat([length, encoded])
  }
  const fixed = Buffer.alloc(64)
  fixed.fill(0xc0 + index, 16, 32)
  fixed.fill(0xd0 + index, 32, 48)
  fixed.writeUInt32LE(0x0042000d, 56)
  return Buffer.concat([fixed, name('WORKSTATION'), name(`server-${index}`)])
}
