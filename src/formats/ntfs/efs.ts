/** What tells that a file is encrypted: its keys, for users and for recovery agents, wrapped with theirs. */
export interface EncryptionKeys {
  /** Bytes of the stream; their content stays as it is. */
  readonly size: bigint
}

const NAME = '$EFS'

/** @param streams names and sizes of a file's $LOGGED_UTILITY_STREAM attributes */
export function encryptionKeys(
  streams: Iterable<{ readonly name: string; readonly size: bigint }>,
): EncryptionKeys | undefined {
  for (const { name, size } of streams) if (name === NAME) return { size }
  return undefined
}
