import { EXIT, type ExitCode } from '../cli/exit.js'
import { asToolError } from '../cli/failure.js'
import { FORMAT_OPTION, formatOf } from '../cli/image-format.js'
import { SECRET_OPTIONS, secretsOf } from '../cli/secret.js'
import type { Tool } from '../cli/tool.js'
import { openVolumeFiles } from '../formats/aff4/volume-file.js'
import { openImageFile } from '../formats/image/image-file.js'
import { isAff4Image } from '../formats/image/open-image.js'
import type { FileReport } from './image/report.js'
import { reportImage } from './image/report-image.js'
import { reportJson } from './image/report-json.js'
import { reportText } from './image/report-text.js'
import { reportVolumes } from './image/report-volumes.js'
import { printParts } from './printer.js'

/** image-info: what images are, hold and tell. */
export const tool: Tool = {
  name: 'image-info',
  role: 'report',
  usage: 'FILE…',
  summary: 'show what images of memory and of disks are, hold and tell about their machines',
  options: {
    all: { help: 'every range, however many there are' },
    json: { help: 'a JSON object a line' },
    ...FORMAT_OPTION,
    ...SECRET_OPTIONS,
  },
  operands: [1, Number.POSITIVE_INFINITY],
  async run({ operands, options, io, log, secrets = secretsOf(options) }) {
    const format = formatOf(options)
    const show = options.flag('json')
      ? reportJson
      : (report: FileReport) => reportText(report, options.flag('all'))
    let exit: ExitCode = EXIT.complete
    const worsen = (status: ExitCode) => {
      if (status > exit) exit = status
    }
    /** What cannot be told of one file is no reason to be silent about the others. */
    async function tell(file: string, report: () => Promise<FileReport>): Promise<void> {
      let told: FileReport
      try {
        told = await report()
      } catch (error) {
        const { exitCode, message, hint } = asToolError(error)
        if (exitCode === EXIT.internal) throw error
        log.error(message.startsWith(file) ? message : `${file}: ${message}`, hint)
        worsen(exitCode)
        return
      }
      if (told.incomplete) worsen(EXIT.unreadable)
      await printParts(io, show(told))
    }

    const volumes = format === undefined ? operands.filter(isAff4Image) : []
    const others = operands.filter((file) => !volumes.includes(file))
    for (let file = others.shift(); file !== undefined; file = others.shift()) {
      const name = file
      const behind = [...others]
      const warn = (message: string) => log.warn(`${name}: ${message}`)
      await tell(name, async () => {
        const image = await openImageFile(name, { format, parts: others, warn })
        try {
          const parts = behind.filter((part) => !others.includes(part))
          return await reportImage(image, name, parts)
        } finally {
          await image.close()
        }
      })
    }
    const [first, ...more] = volumes
    if (first !== undefined)
      await tell(first, async () => {
        const opened = await openVolumeFiles(volumes, secrets, (message) => log.warn(message))
        return reportVolumes(opened, [first, ...more])
      })
    return exit
  },
}
