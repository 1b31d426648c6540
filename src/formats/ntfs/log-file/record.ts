/**
 * Log record: this LSN (8), previous LSN (8), undo-next LSN (8), u32 data length, u32 client, u32 type, u32 transaction,
 * u16 flags; 48 bytes. Data of an update:
 *
 *      0  2  redo operation     8  2  undo offset        16  2  record offset
 *      2  2  undo operation    10  2  undo length        18  2  attribute offset
 *      4  2  redo offset       12  2  target attribute   20  2  cluster block, in 512 bytes
 *      6  2  redo length       14  2  count of LCNs      24  8  target VCN
 *                                                        32     LCNs, 8 each
 */
const LOG_RECORD_TYPE = { UPDATE: 1, RESTART: 2 } as const
const UPDATE_SIZE = 32
/** Records hold dumps of tables at most. */
const LONGEST_DATA = 16 << 20

export interface LogRecord {
  readonly lsn: bigint
  readonly previousLsn: bigint
  readonly undoNextLsn: bigint
  /** LOG_RECORD_TYPE. */
  readonly type: number
  readonly transaction: number
  readonly client: number
  readonly data: Buffer
  /** Its header claims more data: they were on pages that have been written over. */
  readonly cutOff: boolean
  /** Of updates whose data hold one. */
  readonly update?: LogUpdate
}

export interface LogUpdate {
  readonly redo: number
  readonly undo: number
  readonly redoData: Buffer
  readonly undoData: Buffer
  /** Key of the open attribute table. */
  readonly targetAttribute: number
  readonly targetVcn: bigint
  readonly clusterBlock: number
  readonly recordOffset: number
  readonly attributeOffset: number
  readonly lcns: readonly bigint[]
}

export interface LogRecordHeader extends Omit<LogRecord, 'data' | 'cutOff' | 'update'> {
  readonly dataLength: number
}

/** @returns undefined unless it can be one */
export function decodeLogRecordHeader(bytes: Buffer, at: number): LogRecordHeader | undefined {
  const dataLength = bytes.readUInt32LE(at + 24)
  const type = bytes.readUInt32LE(at + 32)
  if (dataLength > LONGEST_DATA || (type !== LOG_RECORD_TYPE.UPDATE && type !== LOG_RECORD_TYPE.RESTART))
    return undefined
  return {
    lsn: bytes.readBigUInt64LE(at),
    previousLsn: bytes.readBigUInt64LE(at + 8),
    undoNextLsn: bytes.readBigUInt64LE(at + 16),
    dataLength,
    client: bytes.readUInt32LE(at + 28),
    type,
    transaction: bytes.readUInt32LE(at + 36),
  }
}

/** @param data as much of them as there is */
export function completeLogRecord({ dataLength, ...header }: LogRecordHeader, data: Buffer): LogRecord {
  const update = header.type === LOG_RECORD_TYPE.UPDATE ? decodeUpdate(data) : undefined
  return { ...header, data, cutOff: data.length < dataLength, ...(update && { update }) }
}

function decodeUpdate(data: Buffer): LogUpdate | undefined {
  if (data.length < UPDATE_SIZE) return undefined
  const part = (field: number) => {
    const start = data.readUInt16LE(field)
    return data.subarray(start, start + data.readUInt16LE(field + 2))
  }
  const lcnCount = Math.min(data.readUInt16LE(14), Math.floor((data.length - UPDATE_SIZE) / 8))
  return {
    redo: data.readUInt16LE(0),
    undo: data.readUInt16LE(2),
    redoData: part(4),
    undoData: part(8),
    targetAttribute: data.readUInt16LE(12),
    targetVcn: data.readBigInt64LE(24),
    clusterBlock: data.readUInt16LE(20),
    recordOffset: data.readUInt16LE(16),
    attributeOffset: data.readUInt16LE(18),
    lcns: Array.from({ length: lcnCount }, (_, index) => data.readBigInt64LE(UPDATE_SIZE + 8 * index)),
  }
}
