import { asDataView } from '../../../codecs/views.js'
import type { Bytes } from '../../byte-source.js'
import { NtfsError } from '../finding.js'

/** Data of a reparse point with the tag of WOF, all u32. An external file has four of them. */
const LAYOUT = { VERSION: 0, PROVIDER: 4, PROVIDER_VERSION: 8, ALGORITHM: 12 } as const
const COMMON_SIZE = 8
const FILE_SIZE = 16
const VERSION = 1
const PROVIDER = { WIM: 1, FILE: 2 } as const

/** By their numbers. */
const ALGORITHMS = ['xpress4k', 'lzx', 'xpress8k', 'xpress16k'] as const
export type WofAlgorithm = (typeof ALGORITHMS)[number]

/** The stream that holds a file which WOF compressed. */
export const WOF_STREAM = 'WofCompressedData'

/** Where the content of a file is that WOF keeps: in its own stream `WofCompressedData`, or in a WIM elsewhere. */
export type WofPlace =
  | { readonly provider: 'file'; readonly algorithm: WofAlgorithm }
  | { readonly provider: 'wim' }

/**
 * @param data of the reparse point, behind its tag and length
 * @throws {NtfsError} when it is of a version, provider or algorithm that is not known
 */
export function decodeWofReparseData(data: Bytes): WofPlace {
  if (data.length < COMMON_SIZE) throw new NtfsError('the data of a WOF reparse point are cut off')
  const view = asDataView(data)
  const version = view.getUint32(LAYOUT.VERSION, true)
  if (version !== VERSION) throw new NtfsError(`a WOF reparse point has the version ${version}`)
  const provider = view.getUint32(LAYOUT.PROVIDER, true)
  if (provider === PROVIDER.WIM) return { provider: 'wim' }
  if (provider !== PROVIDER.FILE) throw new NtfsError(`a WOF reparse point has the provider ${provider}`)
  if (data.length < FILE_SIZE) throw new NtfsError('the data of a WOF reparse point are cut off')
  const providerVersion = view.getUint32(LAYOUT.PROVIDER_VERSION, true)
  if (providerVersion !== VERSION)
    throw new NtfsError(`a WOF reparse point has the provider version ${providerVersion}`)
  const number = view.getUint32(LAYOUT.ALGORITHM, true)
  const algorithm = ALGORITHMS[number]
  if (!algorithm) throw new NtfsError(`a WOF reparse point has the algorithm ${number}`)
  return { provider: 'file', algorithm }
}
