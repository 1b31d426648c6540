import type { NtfsFile } from '../../formats/ntfs/file.js'
import type { FileAttribute } from '../../formats/ntfs/file-attribute.js'
import type { AttributeFacts } from './attribute-facts.js'
import type { FileFacts } from './file-facts.js'
import type { RecordFacts } from './record-facts.js'
import type { VolumeFacts } from './volume-facts.js'

/** All that ntfs-stat tells of a file, what may be long last and not gathered. */
export interface StatReport {
  readonly volume: VolumeFacts
  readonly record: RecordFacts
  /** undefined: the record holds attributes of another file. */
  readonly facts: FileFacts | undefined
  readonly file: NtfsFile
  /** Of the volume. */
  readonly clusterCount: number
  attributes(): AsyncIterable<{ readonly facts: AttributeFacts; readonly attribute: FileAttribute }>
  /** What is wrong with it: whole when all attributes have been told. */
  readonly findings: readonly string[]
}
