/** Input that is not what its format demands. `offset` is where in the input, when that is known. */
export class FormatError extends Error {
  override readonly name: string = 'FormatError'
  constructor(
    message: string,
    readonly offset?: bigint,
  ) {
    super(offset === undefined ? message : `${message} (at 0x${offset.toString(16)})`)
  }
}
