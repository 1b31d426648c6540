import fs from 'node:fs'
import type { Bytes } from '../../formats/byte-source.js'
import { directMap, type Kcore, locate, type ReadAt, readKcoreNotes } from '../../platform/linux/kcore.js'
import { parseVmcoreinfoLocation } from '../../platform/linux/vmcoreinfo-location.js'

const LOCATION_FILE = '/sys/kernel/vmcoreinfo'

/**
 * The text of VMCOREINFO: from kcore's notes; on kernels before 4.19, whose kcore has none, from where
 * /sys/kernel/vmcoreinfo says that the note lies in memory.
 * @param live whether that file speaks of the same kernel
 * @throws {FormatError} from a damaged note, or the operating system's error
 */
export function readVmcoreinfoText(kcore: Kcore, read: ReadAt, live: boolean): string | undefined {
  const note = readKcoreNotes(read, kcore).find(({ name }) => name === 'VMCOREINFO')
  if (note) return textOf(note.desc)
  const location = live ? parseVmcoreinfoLocation(fs.readFileSync(LOCATION_FILE, 'latin1')) : undefined
  if (!location) return undefined
  const run = { start: location.address, length: BigInt(location.size) }
  const [piece] = locate([run], directMap(kcore, [])).pieces
  if (!piece) return undefined
  const [found] = readKcoreNotes(read, {
    ...kcore,
    notes: { fileOffset: piece.fileOffset, length: location.size },
  })
  return found && textOf(found.desc)
}

function textOf(bytes: Bytes): string {
  return Buffer.from(bytes).toString('latin1').replace(/\0.*$/s, '')
}
