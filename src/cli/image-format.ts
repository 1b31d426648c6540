import { FORMATS } from '../formats/image/formats.js'
import type { Options, OptionTable } from './arguments.js'
import { EXIT, ToolError } from './exit.js'

const CHOICES = FORMATS.map(({ name }) => name)
const NAMES = CHOICES.join(', ')

/** The option of the tools that read images in any format. */
export const FORMAT_OPTION: OptionTable = {
  format: {
    value: 'FORMAT',
    choices: CHOICES,
    help: `what the files are, whatever they begin with: ${NAMES}`,
  },
}

/** @throws {ToolError} usage, where no such format is read */
export function formatOf(options: Options): string | undefined {
  const format = options.value('format')
  if (format !== undefined && !FORMATS.some(({ name }) => name === format))
    throw new ToolError(EXIT.usage, `--format ${format}: not one of ${NAMES}`)
  return format
}
