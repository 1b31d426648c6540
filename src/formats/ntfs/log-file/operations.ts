/** Operations of redo and undo, by their numbers. */
const NAMES = [
  'noop',
  'compensation-log-record',
  'initialize-file-record-segment',
  'deallocate-file-record-segment',
  'write-end-of-file-record-segment',
  'create-attribute',
  'delete-attribute',
  'update-resident-value',
  'update-nonresident-value',
  'update-mapping-pairs',
  'delete-dirty-clusters',
  'set-new-attribute-sizes',
  'add-index-entry-root',
  'delete-index-entry-root',
  'add-index-entry-allocation',
  'delete-index-entry-allocation',
  'write-end-of-index-buffer',
  'set-index-entry-vcn-root',
  'set-index-entry-vcn-allocation',
  'update-file-name-root',
  'update-file-name-allocation',
  'set-bits-in-nonresident-bitmap',
  'clear-bits-in-nonresident-bitmap',
  'hot-fix',
  'end-top-level-action',
  'prepare-transaction',
  'commit-transaction',
  'forget-transaction',
  'open-nonresident-attribute',
  'open-attribute-table-dump',
  'attribute-names-dump',
  'dirty-page-table-dump',
  'transaction-table-dump',
  'update-record-data-root',
  'update-record-data-allocation',
  'update-relative-data-index',
  'update-relative-data-allocation',
  'zero-end-of-file-record',
] as const

export type OperationName = (typeof NAMES)[number]

/** `create-attribute`; hexadecimal for a number without a name. */
export const operationName = (operation: number): string => NAMES[operation] ?? `0x${operation.toString(16)}`

const numbers = (...names: OperationName[]) => new Set<number>(names.map((name) => NAMES.indexOf(name)))

/** Whose target is a record of the MFT. */
export const ON_MFT_RECORD = numbers(
  'initialize-file-record-segment',
  'deallocate-file-record-segment',
  'write-end-of-file-record-segment',
  'create-attribute',
  'delete-attribute',
  'update-resident-value',
  'update-mapping-pairs',
  'set-new-attribute-sizes',
  'add-index-entry-root',
  'delete-index-entry-root',
  'set-index-entry-vcn-root',
  'update-file-name-root',
  'update-record-data-root',
  'zero-end-of-file-record',
)

/** Whose data are an index entry. */
export const WITH_INDEX_ENTRY = numbers('add-index-entry-root', 'add-index-entry-allocation')
/** Whose data are an attribute. */
export const WITH_ATTRIBUTE = numbers('create-attribute')
/** Whose data are an MFT record. */
export const WITH_RECORD = numbers('initialize-file-record-segment')
/** Whose data are the part of a $FILE_NAME that changes: times, sizes, flags. */
export const WITH_FILE_FACTS = numbers('update-file-name-root', 'update-file-name-allocation')
