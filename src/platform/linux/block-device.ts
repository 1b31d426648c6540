import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'

/*
 * What /sys/dev/block/MAJ:MIN tells of a device (Documentation/ABI/stable/sysfs-block):
 *
 *   size                           in units of 512 bytes, whatever the sector size
 *   ro                             1 where the kernel refuses writes
 *   partition                      only a partition has it; what follows is then the parent's
 *   queue/logical_block_size       the unit in which the device reads
 *   queue/physical_block_size
 *   device/{vendor,model,serial,rev,firmware_rev}
 */

export interface BlockDevice {
  /** The kernel's name: `sda1`. */
  readonly name: string
  /** In bytes. */
  readonly size: bigint
  readonly logicalSector: number
  readonly physicalSector: number
  readonly readOnly: boolean
  readonly partition: boolean
  readonly make: string | undefined
  readonly model: string | undefined
  readonly serial: string | undefined
  readonly firmware: string | undefined
  /** `MAJ:MIN` of itself and of everything that stores its bytes there: partitions, volumes, encrypted layers. */
  readonly users: ReadonlySet<string>
}

/**
 * Facts of the block device `MAJ:MIN`. `sys` is where sysfs is mounted.
 * @throws {Error} the operating system's, where sysfs does not list the device
 */
export function blockDevice(number: string, sys = '/sys'): BlockDevice {
  const own = realpathSync(`${sys}/dev/block/${number}`)
  const partition = existsSync(`${own}/partition`)
  const disk = partition ? realpathSync(`${own}/..`) : own
  const logicalSector = Number(attribute(`${disk}/queue/logical_block_size`) ?? 512)
  return {
    name: own.slice(own.lastIndexOf('/') + 1),
    size: BigInt(readFileSync(`${own}/size`, 'latin1').trim()) * 512n,
    logicalSector,
    physicalSector: Number(attribute(`${disk}/queue/physical_block_size`) ?? logicalSector),
    readOnly: attribute(`${own}/ro`) === '1',
    partition,
    make: attribute(`${disk}/device/vendor`),
    model: attribute(`${disk}/device/model`),
    serial: attribute(`${disk}/device/serial`),
    firmware: attribute(`${disk}/device/firmware_rev`) ?? attribute(`${disk}/device/rev`),
    users: users(own),
  }
}

/** Text of a file in sysfs, undefined where there is none or it is blank. */
function attribute(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

function users(device: string): Set<string> {
  const numbers = new Set<string>()
  const pending = [device]
  const seen = new Set<string>()
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (seen.has(at)) continue
    seen.add(at)
    const number = attribute(`${at}/dev`)
    if (number !== undefined) numbers.add(number)
    for (const name of names(at)) if (existsSync(`${at}/${name}/partition`)) pending.push(`${at}/${name}`)
    for (const name of names(`${at}/holders`)) pending.push(realpathSync(`${at}/holders/${name}`))
  }
  return numbers
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
