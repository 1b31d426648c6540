import fs from 'node:fs'
import { FORMAT_OPTION, formatOf } from '../cli/image-format.js'
import { SECRET_OPTIONS, secretsOf } from '../cli/secret.js'
import type { Tool } from '../cli/tool.js'
import type { Report, Tick } from '../formats/aff4/verify/finding.js'
import { openForCheck } from '../formats/aff4/verify/open.js'
import { verifyVolumes } from '../formats/aff4/verify/verify.js'
import { openFileIfThere, openFileSource } from '../formats/file-source.js'
import { FormatError } from '../formats/format-error.js'
import { FORMATS } from '../formats/image/formats.js'
import type { Image } from '../formats/image/image.js'
import { openImageFile } from '../formats/image/image-file.js'
import { isAff4Image } from '../formats/image/open-image.js'
import { readSidecars } from '../formats/image/sidecar.js'
import { tellFindings } from './findings.js'
import { verifyImage, vouchesForItself } from './image/verify-image.js'
import { verifySidecars } from './image/verify-sidecars.js'

/** image-verify: whether images hold what they, and the digests beside them, say. */
export const tool: Tool = {
  name: 'image-verify',
  role: 'report',
  usage: 'FILE…',
  summary: 'check images of memory and of disks against every checksum and digest that they have',
  options: { json: { help: 'a JSON object a line' }, ...FORMAT_OPTION, ...SECRET_OPTIONS },
  operands: [1, Number.POSITIVE_INFINITY],
  run(context) {
    const { operands, options, log } = context
    const format = formatOf(options)
    return tellFindings(context, async (report, tick) => {
      const volumes = format === undefined ? operands.filter(isAff4Image) : []
      const others = operands.filter((file) => !volumes.includes(file))
      for (let file = others.shift(); file !== undefined; file = others.shift()) {
        const warn = (message: string) => log.warn(`${file}: ${message}`)
        await verifyFile(file, others, { format, warn }, report, tick)
      }
      if (volumes.length === 0) return
      const { volumes: opened, structures } = await openForCheck(volumes, secretsOf(options), report, tick)
      if (opened.length > 0) await verifyVolumes(opened, structures, report, tick)
      for (const volume of volumes) await verifyBeside(volume, report, tick)
    })
  },
}

interface Given {
  readonly format: string | undefined
  readonly warn: (message: string) => void
}

/** Checks one image. @param others further operands: those that are parts of it are removed */
async function verifyFile(
  file: string,
  others: string[],
  given: Given,
  report: Report,
  tick: Tick,
): Promise<void> {
  const behind = [...others]
  const image = await open(file, others, given, report)
  const parts = behind.filter((part) => !others.includes(part))
  let compared = 0
  if (image)
    try {
      for (const detail of image.remarks)
        await report({ outcome: 'note', property: 'remark', subject: file, detail })
      if (vouchesForItself(image)) {
        compared++
        await verifyImage(image, file, report, tick)
      }
      if (image.incomplete !== undefined)
        await report({
          outcome: 'unchecked',
          property: 'incomplete',
          subject: file,
          detail: image.incomplete,
        })
    } finally {
      await image.close()
    }
  for (const part of [file, ...parts]) compared += await verifyBeside(part, report, tick)
  if (image && compared === 0) {
    const detail = `nothing to compare: ${titleOf(image)} has no checksums`
    await report({ outcome: 'unchecked', property: 'checksums', subject: file, detail })
  }
}

const titleOf = ({ format }: Image) => FORMATS.find(({ name }) => name === format)?.title ?? format

async function open(file: string, parts: string[], given: Given, report: Report): Promise<Image | undefined> {
  try {
    return await openImageFile(file, { ...given, parts })
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    const detail = error.message.startsWith(`${file}: `)
      ? error.message.slice(file.length + 2)
      : error.message
    await report({ outcome: 'mismatched', property: 'image', subject: file, detail })
    return undefined
  }
}

/** @returns how many digests stand beside a file */
async function verifyBeside(file: string, report: Report, tick: Tick): Promise<number> {
  if (!fs.statSync(file, { throwIfNoEntry: false })?.isFile()) return 0
  const sidecars = await readSidecars(file, openFileIfThere)
  if (sidecars.length === 0) return 0
  const source = openFileSource(file)
  try {
    await verifySidecars(source, sidecars, report, tick)
  } finally {
    await source.close()
  }
  return sidecars.length
}
