import type { Options } from '../../cli/arguments.js'
import { EXIT, ToolError } from '../../cli/exit.js'
import { type Dialect, PMEM2015, STANDARD } from '../../formats/aff4/dialect.js'

/** Which kind of volume is asked for; one that is there must be of that kind. */
export interface VolumeKind {
  /** Version 1.1: files named by their paths. */
  readonly logical: boolean
  /** Undefined where any will do. */
  readonly dialect: Dialect | undefined
}

/** @throws {ToolError} when the options contradict each other */
export function volumeKind(options: Options): VolumeKind {
  const layout = options.value('layout')
  const dialect = layout === undefined ? undefined : LAYOUTS[layout]
  if (layout !== undefined && !dialect)
    throw new ToolError(EXIT.usage, `--layout ${layout}: standard or rekall`)
  if (dialect === PMEM2015)
    for (const option of ['logical', 'block-hashes', 'encrypt'])
      if (options.flag(option))
        throw new ToolError(EXIT.usage, `--${option}: the layout of the suite of 2015 has no place for it`)
  return { logical: options.flag('logical'), dialect }
}

const LAYOUTS: Record<string, Dialect> = { standard: STANDARD, rekall: PMEM2015 }
