/** One option of a tool. */
export interface OptionSpec {
  /** What the value is called in help (`SIZE`); absent for a flag. */
  readonly value?: string
  /** One letter. */
  readonly short?: string
  /** May be given more than once. */
  readonly repeat?: boolean
  readonly help: string
}
export type OptionTable = Readonly<Record<string, OptionSpec>>

/** What the user gave. Every value is a string until the tool says otherwise. */
export interface Options {
  flag(name: string): boolean
  value(name: string): string | undefined
  values(name: string): readonly string[]
}
