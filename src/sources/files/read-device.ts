import fs, { type BigIntStats } from 'node:fs'
import { EXIT, ToolError } from '../../cli/exit.js'
import { reasonOf } from '../../cli/failure.js'
import { isDamage } from '../../formats/format-error.js'
import { formatAddress } from '../../frames/address.js'
import type { Batch, StreamBody } from '../../frames/frame.js'
import { type BlockDevice, blockDevice } from '../../platform/linux/block-device.js'
import { type DirectReader, openDirect } from '../../platform/linux/direct-read.js'
import { deviceNumber, writableMounts } from '../../platform/linux/mounts.js'
import type { Medium, ReadBytes } from '../salvage.js'
import { describeDevice } from './file-facts.js'
import { displayPath, streamName } from './name.js'
import { endUnread, mediumOf, readMedium } from './read-file.js'
import { beginStream, endStream, noteStream, type Session } from './session.js'

/**
 * What sysfs knows of the block device at `path`.
 * @throws {ToolError} when it is not there, and so its size is not known
 */
export function lookUpDevice(path: Buffer, stat: BigIntStats): BlockDevice {
  try {
    return blockDevice(deviceNumber(stat.rdev))
  } catch (error) {
    throw new ToolError(EXIT.unavailable, `${displayPath(path)}: its size is not known: ${reasonOf(error)}`, {
      hint: 'sysfs has it: mount -t sysfs sysfs /sys',
      cause: error,
    })
  }
}

/** A block device as a stream. One that cannot be opened has its stream all the same, unreadable and failed. */
export async function* readDevice(
  session: Session,
  path: Buffer,
  stat: BigIntStats,
  device: BlockDevice,
): AsyncGenerator<Batch> {
  const frames = beginStream(session, imageOf(path, device), describeDevice(path, stat, device))
  let fd: number
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY)
  } catch (error) {
    if (!isDamage(error)) throw error
    endUnread(session, frames, path, device.size, error)
    return
  }
  for (const { point, source } of writableMounts(device.users))
    noteStream(
      session,
      frames,
      'warning',
      path,
      `${source} is mounted writable on ${point} and may change while it is read`,
    )
  const medium = deviceMedium(fd, device.logicalSector)
  try {
    const { failure } = yield* readMedium(session, frames, path, medium, device.size)
    if (!session.interrupted.aborted) endStream(session, frames, failure)
  } finally {
    medium.close()
    fs.closeSync(fd)
  }
}

function imageOf(path: Buffer, device: BlockDevice): StreamBody {
  return {
    ...streamName(path),
    kind: 'image',
    category: device.partition ? 'disk:partition' : 'disk:raw',
    size: formatAddress(device.size),
    properties: { sectorSize: device.logicalSector },
  }
}

/** Fast through the page cache; what fails there is read again around it, where sectors fail one by one. */
function deviceMedium(fd: number, sector: number): Medium & { close(): void } {
  const buffered = mediumOf(fd, sector)
  let direct: DirectReader | undefined
  let refused = false
  const reread: ReadBytes = (address, length, slab) => {
    if (!refused)
      try {
        direct ??= openDirect(fd)
        return direct.read(address, length, slab)
      } catch (error) {
        if (buffered.isDamage(error)) throw error
        // No O_DIRECT here.
        refused = true
      }
    return buffered.read(address, length, slab)
  }
  return { ...buffered, reread, close: () => direct?.close() }
}
