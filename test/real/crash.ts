import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { bootGuest } from './guest/guest.js'
import { installToolkit, onHost } from './guest/toolkit.js'

/**
 * npm run test:crash [-- VMLINUX]: takes the memory of a running Linux, writes it by every sink whose files crash
 * opens, and has crash tell of each the machine, the processes and the kernel's log: all must tell the same. Without
 * a kernel with symbols it downloads the one of the guest, 860 MB, which takes 1.5 GB below the folder for temporary
 * files until it is over. Debian's package `crash` must be there, and what test/setup installs.
 */

const MEMORY = 256
const COMMANDS = 'sys\nps\nlog\nrd -a linux_banner 14\nquit\n'
const SINKS: Readonly<Record<string, string>> = {
  'kdump, zlib': 'kdump-sink -q -t out',
  'kdump, snappy': 'kdump-sink -q -t --compress snappy out',
  'kdump, stored': 'kdump-sink -q -t --compress none out',
  'kdump in a flat container': 'kdump-sink -q - > out',
  'kdump of an AFF4 volume': 'aff4-sink -q -t x.aff4 && aff4-cat x.aff4 | kdump-sink -q -t out',
  'ELF core': 'elf-sink -q -t out',
  'ELF core of a kdump': 'kdump-sink -q -t x && image-cat x | elf-sink -q -t out',
}

const folder = await mkdtemp(path.join(tmpdir(), 'pmem-crash-'))
try {
  const kernel = process.argv[2] ?? (await downloadKernel())
  await takeMemory()
  const told = new Map<string, string>()
  for (const [name, sink] of Object.entries(SINKS)) {
    await onHost(`cd "$0" && cat frames | ${sink}`, folder)
    told.set(name, await askCrash(kernel))
    console.log(`${name}: crash opens it`)
  }
  const [first, ...others] = [...told]
  for (const [name, text] of others)
    if (text !== first![1])
      throw new Error(`crash tells otherwise of ${name}:\n${difference(first![1], text)}`)
  console.log(first![1].split('\n').slice(0, 14).join('\n'))
} finally {
  await rm(folder, { recursive: true })
}

/** The first line that differs. */
function difference(one: string, other: string): string {
  const [lines, others] = [one.split('\n'), other.split('\n')]
  const at = lines.findIndex((line, i) => line !== others[i])
  return `${lines[at]}\n${others[at]}`
}

/** Into `frames`. */
async function takeMemory(): Promise<void> {
  const guest = await bootGuest({ memory: MEMORY })
  try {
    await installToolkit(guest)
    await guest.ok(
      '. /run/profile; pmem-read-kcore --no-collect > /run/share/frames; test $? = 0 -o $? = 2',
      900,
    )
    await onHost('mv "$0/frames" "$1"', guest.share, folder)
  } finally {
    await guest.stop()
  }
}

/** What crash says of `out`, but for the file's name. @throws {Error} when it does not open it */
async function askCrash(kernel: string): Promise<string> {
  const { stdout, stderr } = await onHost(
    `cd "$0" && printf '${COMMANDS.replaceAll('\n', '\\n')}' | timeout 300 crash -s "$1" out`,
    folder,
    kernel,
  )
  if (!/RELEASE: \d/.test(stdout) || !/PID .*COMM/.test(stdout) || !/Linux version/.test(stdout))
    throw new Error(`crash does not open it:\n${(stdout + stderr).slice(0, 2000)}`)
  // A dump says how many processors there are, a core does not: of 0, which is not known, crash warns.
  return stdout.replace(/^ *DUMPFILE: .*\n|^WARNING: compressed kdump: .*\n|^\n/gm, '')
}

async function downloadKernel(): Promise<string> {
  const cache = path.join(
    process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'),
    'pmem-test',
    'packages',
  )
  const image = (await readdir(cache)).find((name) => name.startsWith('linux-image-'))
  if (!image) throw new Error(`${cache}: no kernel there: run test/setup`)
  const [name, version] = image.split('_') as [string, string]
  const run = promisify(execFile)
  await run('apt-get', ['download', '-qq', `${name}-dbg=${decodeURIComponent(version)}`], { cwd: folder })
  const release = name.replace('linux-image-', '')
  const member = `usr/lib/debug/boot/vmlinux-${release}`
  await onHost('cd "$0" && dpkg-deb --fsys-tarfile *.deb | tar -x "./$1" && rm *.deb', folder, member)
  return path.join(folder, member)
}
