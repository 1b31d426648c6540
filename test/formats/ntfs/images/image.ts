import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { readFile, rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { PATIENCE } from '../../../cli/shell.js'

const run = promisify(execFile)

/** Volumes that make.py knows: by their cluster size, or by what they hold. */
export type ImageName = '512' | '4k' | '64k' | '2m' | 'sectors' | 'crowded' | 'wof' | 'small'

export const IMAGE_NAMES: readonly ImageName[] = [
  '512',
  '4k',
  '64k',
  '2m',
  'sectors',
  'crowded',
  'wof',
  'small',
]

/** A stream of a volume as it was read through a mount, or, where it was deleted since, before that. */
export interface ManifestStream {
  readonly state: 'live' | 'deleted'
  readonly record: number
  /** From the root, with slashes; lone surrogates as they are. */
  readonly path: string
  /** Empty for the unnamed one. */
  readonly stream: string
  readonly size: number
  readonly sha256?: string
  /** Where all of it is too large to hash: SHA-256 of its last 64 KiB. */
  readonly tail?: string
}

/** A name of a file, and what ntfs-3g tells of the file; what it cannot read of one is missing. */
export interface ManifestFile {
  readonly record: number
  readonly path: string
  readonly directory: boolean
  readonly links?: number
  readonly attributes?: number
  /** FILETIMEs of $STANDARD_INFORMATION, in decimal. */
  readonly times?: Record<'created' | 'modified' | 'changed' | 'accessed', string>
  readonly shortName?: string
  /** Whole values in hexadecimal. */
  readonly reparse?: string
  readonly eas?: string
  readonly objectId?: string
}

export interface Manifest {
  /** Bytes. */
  readonly cluster: number
  readonly sector: number
  readonly files: readonly ManifestFile[]
  readonly streams: readonly ManifestStream[]
}

export interface Image {
  /** Shared by the test files of a run: to be read only. */
  readonly file: string
  readonly manifest: Manifest
}

/**
 * Runs a script that mounts a volume, as root. All that it has started and mounted ends with it, however it ends.
 * @throws {Error} with what sudo, unshare or the script said
 */
export async function runMounting(script: string, ...operands: string[]): Promise<void> {
  // The time is kept as root: nobody else can end what sudo has started.
  const words = [
    ...(process.getuid?.() === 0 ? [] : ['sudo', '-n']),
    ...['timeout', '--foreground', `--signal=${PATIENCE.killSignal}`, `${PATIENCE.timeout / 1000}`],
    ...['unshare', '--mount', '--pid', '--fork', '--kill-child'],
    ...['/usr/bin/python3', path.resolve(script), ...operands],
  ]
  await run(words[0]!, words.slice(1))
}

/**
 * One of the volumes, made by the first test of a run that asks for it.
 * @throws {Error} with what the program said that failed: sudo, unshare, mkntfs, ntfs-3g (no /dev/fuse), ntfsfallocate
 */
export async function image(name: ImageName): Promise<Image> {
  const file = path.join(runFolder(), name)
  await runMounting('test/formats/ntfs/images/make.py', name, file)
  return { file, manifest: JSON.parse(await readFile(`${file}.json`, 'utf8')) as Manifest }
}

/** Volumes by others in test/data/ntfs. */
export type RealImage = 'ntfs-lastaccess' | 'ntfs-ptrn' | 'colin_testfs1'

const unpacked = new Map<RealImage, Promise<string>>()

/** The disk, unpacked where it takes no more room than it has content, once in a run: to be read only. */
export function realImage(name: RealImage): Promise<string> {
  let file = unpacked.get(name)
  if (!file) {
    file = unpack(name)
    unpacked.set(name, file)
  }
  return file
}

async function unpack(name: RealImage): Promise<string> {
  const file = path.join(runFolder(), name)
  if (existsSync(file)) return file
  const own = `${file}.${process.pid}`
  const script = 'gzip -dc "$1" | dd of="$2" bs=64k iflag=fullblock conv=sparse status=none'
  await run('sh', ['-c', script, 'sh', `test/data/ntfs/${name}.raw.gz`, own])
  await rename(own, file)
  return file
}

/** A folder that the processes of this run share; it is removed when ava, their parent, has ended. */
function runFolder(): string {
  const parent = String(process.ppid)
  const started = readFileSync(`/proc/${parent}/stat`, 'latin1').split(') ')[1]!.split(' ')[19]
  const folder = path.join(tmpdir(), `pmem-ntfs-${parent}-${started}`)
  try {
    mkdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return folder
    throw error
  }
  // A maker that ava left behind may still write.
  const remove = 'tail --pid="$1" -f /dev/null; for _ in 1 2 3 4 5; do rm -rf "$2" && break; sleep 5; done'
  spawn('sh', ['-c', remove, 'sh', parent, folder], { detached: true, stdio: 'ignore' }).unref()
  return folder
}
