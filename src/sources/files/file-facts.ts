import { isUtf8 } from 'node:buffer'
import type { BigIntStats } from 'node:fs'
import type { BlockDevice } from '../../platform/linux/block-device.js'
import type { ExtendedAttribute } from '../../platform/linux/extended-attributes.js'
import { deviceNumber } from '../../platform/linux/mounts.js'
import { base64, dateTime, describe, type Literal, long, text } from '../facts.js'
import { displayPath } from './name.js'

export type Facts = Record<string, Literal | readonly Literal[] | undefined>

/** META of a regular file, or of a pipe. `size` is absent where only reading tells it. */
export function describeFile(
  path: Buffer,
  stat: BigIntStats,
  size: bigint | undefined,
  attributes: readonly ExtendedAttribute[] = [],
): string {
  return describe(['aff4:FileImage', 'aff4:Image'], {
    ...ofPath(path),
    'aff4:size': size === undefined ? undefined : long(size),
    ...ofStat(stat),
    ...ofAttributes(attributes),
  })
}

export function describeFolder(
  path: Buffer,
  stat: BigIntStats,
  attributes: readonly ExtendedAttribute[] = [],
): string {
  return describe(['aff4:Folder', 'aff4:Image'], {
    ...ofPath(path),
    'aff4:size': long(stat.size),
    ...ofStat(stat),
    ...ofAttributes(attributes),
  })
}

export function describeLink(
  path: Buffer,
  stat: BigIntStats,
  target: Buffer,
  attributes: readonly ExtendedAttribute[] = [],
): string {
  return describe(['pmem:SymbolicLink'], {
    ...ofPath(path),
    'pmem:target': text(displayPath(target)),
    'pmem:targetRaw': isUtf8(target) ? undefined : base64(target),
    ...ofStat(stat),
    ...ofAttributes(attributes),
  })
}

export function describeDevice(path: Buffer, stat: BigIntStats, device: BlockDevice): string {
  const optional = (value: string | undefined) => (value === undefined ? undefined : text(value))
  return describe(
    [device.partition ? 'aff4:VolumeImage' : 'aff4:DiskImage', 'aff4:ContiguousImage', 'aff4:Image'],
    {
      ...ofPath(path),
      'aff4:size': long(device.size),
      'aff4:blockSize': `"${device.logicalSector}"^^xsd:int`,
      'aff4:sectorCount': long(device.size / BigInt(device.logicalSector)),
      'aff4:diskDeviceName': text(device.name),
      'aff4:diskMake': optional(device.make),
      'aff4:diskModel': optional(device.model),
      'aff4:diskSerial': optional(device.serial),
      'aff4:diskFirmware': optional(device.firmware),
      'pmem:physicalSectorSize': `${device.physicalSector}`,
      'pmem:readOnly': `${device.readOnly}`,
      'pmem:deviceNumber': text(deviceNumber(stat.rdev)),
    },
  )
}

/** What a stream was called where it comes from. */
export function ofPath(path: Buffer): Facts {
  return {
    'aff4:originalFileName': text(displayPath(path)),
    'pmem:originalFileNameRaw': isUtf8(path) ? undefined : base64(path),
  }
}

/** The value in base64, a space, the name: that may hold spaces itself. */
function ofAttributes(attributes: readonly ExtendedAttribute[]): Facts {
  const named = (name: (bytes: Buffer) => string) => (attribute: ExtendedAttribute) =>
    text(`${attribute.value.toString('base64')} ${name(attribute.name)}`)
  const readable = attributes.filter(({ name }) => isUtf8(name))
  return {
    'pmem:extendedAttribute': readable.map(named((name) => name.toString('utf8'))),
    'pmem:extendedAttributeRaw': attributes
      .filter((attribute) => !readable.includes(attribute))
      .map(named((name) => name.toString('base64'))),
  }
}

function ofStat(stat: BigIntStats): Facts {
  return {
    // A file system that keeps no birth time gives none, or the epoch.
    'aff4:birthTime': stat.birthtimeNs > 0n ? dateTime(stat.birthtimeNs) : undefined,
    'aff4:lastWritten': dateTime(stat.mtimeNs),
    'aff4:lastAccessed': dateTime(stat.atimeNs),
    'aff4:recordChanged': dateTime(stat.ctimeNs),
    'pmem:mode': text((stat.mode & 0o7777n).toString(8).padStart(4, '0')),
    'pmem:uid': `${stat.uid}`,
    'pmem:gid': `${stat.gid}`,
    'pmem:inode': `${stat.ino}`,
    'pmem:device': text(deviceNumber(stat.dev)),
    'pmem:hardLinks': `${stat.nlink}`,
  }
}
