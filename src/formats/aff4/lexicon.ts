import type { CodecName, WritableCodec } from '../../codecs/codec-error.js'
import { DataFactory, type Literal, type NamedNode } from './n3.js'
import { NAMESPACES } from './namespaces.js'

/** Namespace of what AFF4-L 2.1, a draft, adds. */
export const AFF4L = 'http://aff4.org/Schema/2022/#'

export const RDF_TYPE = `${NAMESPACES.rdf}type`

/** IRI of a term of the Standard: `aff4('size')`. */
export const aff4 = (term: string): string => NAMESPACES.aff4 + term
/** IRI of a term of ours. */
export const pmem = (term: string): string => NAMESPACES.pmem + term

export const iri = (value: string): NamedNode => DataFactory.namedNode(value)
export const text = (value: string): Literal => DataFactory.literal(value)
const typed = (value: string, datatype: string) => DataFactory.literal(value, iri(datatype))
/** Bytes in hexadecimal. */
export const hexBinary = (value: Uint8Array): Literal =>
  typed(Buffer.from(value).toString('hex'), `${NAMESPACES.xsd}hexBinary`)
/** A whole number of any size. */
export const integer = (value: number | bigint): Literal => typed(String(value), `${NAMESPACES.xsd}integer`)

/** A count that fits 32 bits. */
export const int = (value: number): Literal => typed(String(value), `${NAMESPACES.xsd}int`)
/** A size or an offset. Readers know no unsigned type, so what passes 2^63 stands as an xsd:integer. */
export const long = (value: bigint): Literal =>
  typed(String(value), `${NAMESPACES.xsd}${value < 1n << 63n ? 'long' : 'integer'}`)
export const dateTime = (value: Date): Literal => typed(value.toISOString(), `${NAMESPACES.xsd}dateTime`)
/** A digest in hexadecimal; its datatype names the algorithm. */
export const digestLiteral = (datatype: string, hex: string): Literal =>
  typed(hex.toLowerCase(), aff4(datatype))

/** Digest algorithms by the names that segments use, in the order of AFF4 Standard v1.0a §6.2. */
export const DIGESTS = {
  md5: { datatype: 'MD5', node: 'md5', size: 16 },
  sha1: { datatype: 'SHA1', node: 'sha1', size: 20 },
  sha256: { datatype: 'SHA256', node: 'sha256', size: 32 },
  sha512: { datatype: 'SHA512', node: 'sha512', size: 64 },
  blake2b: { datatype: 'Blake2b', node: 'blake2b512', size: 64 },
} as const
export type DigestName = keyof typeof DIGESTS

/** AFF4 Standard v1.0 §3.3: what `compressionMethod` says of each. */
export const COMPRESSION_METHODS: Record<WritableCodec, string> = {
  none: aff4('NullCompressor'),
  zlib: 'https://www.ietf.org/rfc/rfc1950.txt',
  snappy: 'http://code.google.com/p/snappy/',
  lz4: 'https://code.google.com/p/lz4/',
}
/** The block format is the same, but not all its writers know raw chunks. */
export const GITHUB_SNAPPY = 'https://github.com/google/snappy'
/** What volumes in the field say besides. */
const OTHER_METHODS: Record<string, CodecName> = {
  [aff4('compression/stored')]: 'none',
  [GITHUB_SNAPPY]: 'snappy',
  'https://tools.ietf.org/html/rfc1951': 'deflate',
  'http://tools.ietf.org/html/rfc1951': 'deflate',
}
const METHODS = new Map<string, CodecName>([
  ...Object.entries(COMPRESSION_METHODS).map(([codec, url]) => [url, codec as WritableCodec] as const),
  ...Object.entries(OTHER_METHODS),
])

/** The codec of a `compressionMethod`; undefined when it is none that we know. */
export const codecOf = (method: string): CodecName | undefined => METHODS.get(method)

/**
 * Properties by which objects of a volume are tied together and measured. They are true of one volume only:
 * metadata that moves to another one leaves them behind.
 */
export const STRUCTURAL: ReadonlySet<string> = new Set(
  [
    'stored',
    'contains',
    'dataStream',
    'dependentStream',
    'target',
    'size',
    'hash',
    'interface',
    'creationTime',
    'version',
    'chunkSize',
    'chunksInSegment',
    'compressionMethod',
    'mapGapDefaultStream',
    'mapHash',
    'mapPointHash',
    'mapIdxHash',
    'mapPathHash',
    'blockMapHash',
    'blockHashesHash',
    'linearBlockHash',
    'imageStreamHash',
    'imageStreamIndexHash',
  ].map(aff4),
)
