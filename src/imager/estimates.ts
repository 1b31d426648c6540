import { compress } from '../codecs/codec.js'
import { CODECS, isMemory, type SurveyCodec, type SurveyedStream } from './survey.js'

/** What an output would take. */
export interface Estimate {
  readonly format: string
  readonly codec?: SurveyCodec
  /** The only stream that it holds; absent where it holds all. */
  readonly stream?: string
  readonly bytes: bigint
  /** It follows from a sample, not from the sizes alone. */
  readonly sampled: boolean
}

/** Of each chunk a volume's index has 12 bytes. */
const CHUNK = 32n << 10n
const OF_INDEX = 12n
/** A record of LiME and AVML: header; of AVML also the length behind it. */
const LIME_HEADER = 32n
/** Headers, notes, alignment. */
const OF_CORE = 64n << 10n
/** Header of a crash dump of 64 bit. */
const OF_DUMP = 8n << 10n
/** kdump has a descriptor for each page, and two bits for each up to the last address. */
const PAGE = 4096n
const OF_PAGE = 24n
/** In EWF each chunk stands in two tables; one that is not compressed has a checksum. */
const OF_ENTRIES = 8n
const OF_CHECKSUM = 4n

/** What each format would take: volumes with all streams, images with the memory, or the only one that there is. */
export function estimates(streams: readonly SurveyedStream[]): Estimate[] {
  const one = streams.find(isMemory) ?? (streams.length === 1 ? streams[0] : undefined)
  return [
    ...CODECS.map((codec) => ({
      format: 'aff4',
      codec,
      bytes: streams.reduce((sum, stream) => sum + storedOf(stream, codec, streams), 0n),
      sampled: true,
    })),
    ...(one ? imagesOf(one, streams) : []),
  ]
}

function imagesOf(one: SurveyedStream, streams: readonly SurveyedStream[]): Estimate[] {
  const headers = BigInt(one.ranges.length) * LIME_HEADER
  const exact = (format: string, bytes: bigint): Estimate => ({
    format,
    stream: one.name,
    bytes,
    sampled: false,
  })
  const sampled = (format: string, bytes: bigint): Estimate => ({ ...exact(format, bytes), sampled: true })
  const raw = exact('raw', one.size)
  const ewf = sampled('ewf', shareOf(one, streams, inEwf) + (one.bytes / CHUNK + 1n) * OF_ENTRIES)
  if (!isMemory(one)) return [raw, ewf]
  return [
    raw,
    exact('elf', one.bytes + OF_CORE),
    exact('lime', one.bytes + headers),
    sampled('avml', shareOf(one, streams, inAvml) + headers),
    sampled(
      'kdump',
      shareOf(one, [one], ({ pages }) => pages) + (one.bytes / PAGE) * OF_PAGE + one.size / PAGE / 4n,
    ),
    exact('crashdump', one.bytes + OF_DUMP),
    { ...ewf, bytes: ewf.bytes + OF_CORE },
  ]
}

const ZEROS_IN_EWF = BigInt(compress('zlib', Buffer.alloc(Number(CHUNK))).length)

/** Zeros are compressed like all else. */
const inEwf = ({ stored, zeros, sampled }: SurveyedStream): bigint =>
  stored.zlib + (zeros * ZEROS_IN_EWF + sampled * OF_CHECKSUM) / CHUNK

const AVML_CHUNK = 64 << 10
const ZEROS_IN_AVML = BigInt(compress('snappy', Buffer.alloc(AVML_CHUNK)).length)

/** Where a volume has nothing, AVML has zeros as snappy makes them. */
const inAvml = ({ stored, zeros }: SurveyedStream): bigint =>
  stored.snappy + (zeros * ZEROS_IN_AVML) / BigInt(AVML_CHUNK)

/** A stream in a volume: chunks and their index. */
function storedOf(stream: SurveyedStream, codec: SurveyCodec, streams: readonly SurveyedStream[]): bigint {
  const share = shareOf(stream, streams, ({ stored }) => stored[codec])
  return share + ((stream.bytes + CHUNK - 1n) / CHUNK) * OF_INDEX
}

/** As much of a stream as of its sample; where there is none, as of all samples; where there are none, all of it. */
function shareOf(
  stream: SurveyedStream,
  streams: readonly SurveyedStream[],
  taken: (sample: SurveyedStream) => bigint,
): bigint {
  const known = stream.sampled > 0n ? [stream] : streams
  const sampled = known.reduce((sum, one) => sum + one.sampled, 0n)
  if (sampled === 0n) return stream.bytes
  return (stream.bytes * known.reduce((sum, one) => sum + taken(one), 0n)) / sampled
}
