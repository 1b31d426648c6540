import type { Bytes } from '../../formats/byte-source.js'
import { directMap, type Kcore, locate, type ReadAt, readKcoreNotes } from '../../platform/linux/kcore.js'
import { parseVmcoreinfoLocation } from '../../platform/linux/vmcoreinfo-location.js'
import type { SystemFiles } from '../../platform/system-files.js'

const LOCATION_FILE = '/sys/kernel/vmcoreinfo'
const MOST_LOCATION = 4096

/**
 * The text of VMCOREINFO: from kcore's notes; on kernels before 4.19, whose kcore has none, from where
 * /sys/kernel/vmcoreinfo says that the note lies in memory.
 * @param files those of the same kernel, where there are any
 * @throws {FormatError} from a damaged note, or the operating system's error
 */
export async function readVmcoreinfoText(
  kcore: Kcore,
  read: ReadAt,
  files: SystemFiles | undefined,
): Promise<string | undefined> {
  const note = (await readKcoreNotes(read, kcore)).find(({ name }) => name === 'VMCOREINFO')
  if (note) return textOf(note.desc)
  if (!files) return undefined
  const told = await files.readWhole(LOCATION_FILE, MOST_LOCATION)
  const location = parseVmcoreinfoLocation(told.bytes.toString('latin1'))
  if (!location) return undefined
  const run = { start: location.address, length: BigInt(location.size) }
  const [piece] = locate([run], directMap(kcore, [])).pieces
  if (!piece) return undefined
  const [found] = await readKcoreNotes(read, {
    ...kcore,
    notes: { fileOffset: piece.fileOffset, length: location.size },
  })
  return found && textOf(found.desc)
}

function textOf(bytes: Bytes): string {
  return Buffer.from(bytes).toString('latin1').replace(/\0.*$/s, '')
}
