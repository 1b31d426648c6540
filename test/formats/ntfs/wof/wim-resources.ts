/** A resource of a WIM: its chunks are laid out as those of a stream `WofCompressedData`. */
export interface WimResource {
  readonly stored: Buffer
  readonly isCompressed: boolean
  readonly size: number
  readonly sha1: string
}

const HEADER = { BLOB_TABLE: 48 } as const
const RESOURCE = { STORED_SIZE: 0, FLAGS: 7, OFFSET: 8, SIZE: 16 } as const
const COMPRESSED = 4
const BLOB = { SHA1: 30, SIZE: 50 } as const

/** Every resource in the blob table of a WIM. */
export function readWimResources(wim: Buffer): WimResource[] {
  const table = readResource(wim, HEADER.BLOB_TABLE).stored
  return Array.from({ length: table.length / BLOB.SIZE }, (_, index) => {
    const at = index * BLOB.SIZE
    const sha1 = table.toString('hex', at + BLOB.SHA1, at + BLOB.SIZE)
    return { ...readResource(table, at, wim), sha1 }
  })
}

function readResource(bytes: Buffer, at: number, wim = bytes) {
  const offset = Number(bytes.readBigUInt64LE(at + RESOURCE.OFFSET))
  return {
    stored: wim.subarray(offset, offset + bytes.readUIntLE(at + RESOURCE.STORED_SIZE, 6)),
    isCompressed: (bytes[at + RESOURCE.FLAGS]! & COMPRESSED) !== 0,
    size: Number(bytes.readBigUInt64LE(at + RESOURCE.SIZE)),
  }
}
