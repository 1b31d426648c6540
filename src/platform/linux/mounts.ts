import { readFileSync, statSync } from 'node:fs'

/** One line of /proc/self/mountinfo (proc_pid_mountinfo(5)). */
export interface Mount {
  /** `MAJ:MIN`; of no block device where the file system has devices of its own (btrfs). */
  readonly device: string
  readonly point: string
  readonly type: string
  /** What was mounted: `/dev/sda1`, `tmpfs`. */
  readonly source: string
  readonly writable: boolean
}

/** `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`; a line of another shape is skipped. */
export function parseMounts(mountinfo: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of mountinfo.split('\n')) {
    const [about, super_] = line.split(' - ', 2)
    const [, , device, , point, options] = about?.split(' ') ?? []
    const [type, source, superOptions] = super_?.split(' ') ?? []
    if (!device || !point || !options || !type || source === undefined || !superOptions) continue
    const writable = options.split(',').includes('rw') && superOptions.split(',').includes('rw')
    mounts.push({ device, point: decodeOctal(point), type, source: decodeOctal(source), writable })
  }
  return mounts
}

/** Blank, tab, newline and backslash stand as `\040`. */
function decodeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

/** Where the given block devices are mounted writable right now. */
export function writableMounts(devices: ReadonlySet<string>): Mount[] {
  return readMounts().filter(
    (mount) => mount.writable && (devices.has(mount.device) || devices.has(sourceDevice(mount.source))),
  )
}

function sourceDevice(source: string): string {
  if (!source.startsWith('/dev/')) return ''
  const stat = statSync(source, { bigint: true, throwIfNoEntry: false })
  return stat?.isBlockDevice() ? deviceNumber(stat.rdev) : ''
}

/** `MAJ:MIN` of a st_dev or st_rdev (makedev(3)). */
export function deviceNumber(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n)
  return `${major}:${minor}`
}

/** Types of file systems that show the kernel's state instead of stored bytes: sizes mean nothing, some files have no end. */
const PSEUDO = new Set([
  'autofs',
  'binder',
  'binfmt_misc',
  'bpf',
  'cgroup',
  'cgroup2',
  'configfs',
  'debugfs',
  'devpts',
  'efivarfs',
  'fusectl',
  'hugetlbfs',
  'mqueue',
  'nfsd',
  'nsfs',
  'proc',
  'pstore',
  'resctrl',
  'rpc_pipefs',
  'securityfs',
  'selinuxfs',
  'smackfs',
  'sysfs',
  'tracefs',
  'xenfs',
])

/** The type of the pseudo file system with this st_dev, undefined for one that stores files. */
export function pseudoFileSystem(device: bigint): string | undefined {
  // By the table, not by statfs: that would mount what an automounter waits to mount.
  return readMounts().find((mount) => mount.device === deviceNumber(device) && PSEUDO.has(mount.type))?.type
}

function readMounts(): Mount[] {
  try {
    return parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'))
  } catch {
    // Not Linux, or no /proc here.
    return []
  }
}
