import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { loopDevice } from '../platform/linux/loop-device.js'
import { freePort, startSsh } from '../real/guest/ssh.js'
import { onHost } from '../real/guest/toolkit.js'
import { type Lab, openLab } from '../real/kcore/witness.js'
import { holdsTheMemory, nothingIsLeft } from '../real/winpmem/memory.js'
import { buildDriver } from '../real/winpmem/programs.js'
import { openWindows, type Program } from '../real/winpmem/wine.js'
import { ask } from '../sources/files/support.js'

const EIO = 5

interface Command {
  readonly text: string
  readonly status: number
}

/** The commands of each situation, as they are printed. */
const SITUATIONS = new Map(
  readFileSync('docs/field-guide.md', 'utf8')
    .split(/^## /m)
    .slice(1)
    .map((section): [string, Command[]] => {
      const title = section.slice(0, section.indexOf('\n')).replace(/^\d+\. /, '')
      const lines = [...section.matchAll(/^ {4}(.*)$/gm)].map(([, line]) => line!)
      return [title, lines.map(commandOf)]
    }),
)

function commandOf(line: string): Command {
  const [, text, status] = /^(.*?)(?:\s+# (\d+))?$/.exec(line)!
  return { text: text!, status: Number(status ?? 0) }
}

const quoted = (script: string) => `'${script.replaceAll("'", "'\\''")}'`

/** A bash script that runs commands one by one, whatever comes of each, and prints their statuses at the end. */
function scriptOf(commands: readonly Command[]): string {
  return [
    'statuses=',
    ...commands.map(({ text }) => `bash -c ${quoted(text)} >&2; statuses="$statuses $?"`),
    'echo $statuses',
  ].join('\n')
}
const statusesOf = (commands: readonly Command[]) => `${commands.map(({ status }) => status).join(' ')}\n`

const claimed = new Set<string>()
function commandsOf(title: string): readonly Command[] {
  claimed.add(title)
  return SITUATIONS.get(title) ?? []
}

const CONTAINER = commandsOf('In a container')
const NO_ROOT = commandsOf('Without root')
const LOCKDOWN = commandsOf('A locked-down kernel')
const SLOW_LINK = commandsOf('A slow link')
const SMALL_DISK = commandsOf('A small disk')
const WINDOWS = commandsOf('A Windows host')
const DEAD_DISK = commandsOf('A dead disk')
const OLD_E01 = commandsOf('An old E01')
const CUT_VOLUME = commandsOf('A volume that was cut')
const HANDING_OVER = commandsOf('Handing over to Volatility 3')

test('the guide has ten situations, and all are run', (t) => {
  t.deepEqual([...claimed], [...SITUATIONS.keys()])
  t.is(claimed.size, 10)
})

interface Bench {
  readonly folder: string
  /** Puts a script before the programs of that name. */
  stand(name: string, script: string): void
  /** Runs commands one by one and compares their statuses; gives what they said. */
  run(commands: readonly Command[], settings?: string): Promise<string>
  /** The same as root, in a mount namespace in which `settings` have set up what the commands expect. */
  runAsRoot(commands: readonly Command[], settings: string): Promise<string>
}

function openBench(t: ExecutionContext): Bench {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-field-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const name of ['stand-ins', 'vault']) mkdirSync(path.join(folder, name))
  async function check(commands: readonly Command[], script: string) {
    const here = `cd "$0"; export PATH=$PWD/stand-ins:$PATH\n${script}`
    const { stdout, stderr } = await onHost(here, folder)
    t.is(stdout, statusesOf(commands), stderr)
    return stderr
  }
  return {
    folder,
    stand(name, script) {
      writeFileSync(path.join(folder, 'stand-ins', name), `#!/bin/bash\n${script}\n`)
      chmodSync(path.join(folder, 'stand-ins', name), 0o755)
    },
    run: (commands, settings = '') => check(commands, `${settings}\n${scriptOf(commands)}`),
    runAsRoot(commands, settings) {
      writeFileSync(path.join(folder, 'settings'), `set -e\n${settings}\nset +e\n${scriptOf(commands)}`)
      const root = process.getuid?.() === 0 ? '' : 'sudo -n env PATH="$PATH"'
      return check(commands, `${root} unshare --mount bash settings`)
    },
  }
}

/** Settings in which /dev has little but this block device as sdb. */
const onlyDisk = (device: string) => `
  mkdir dev && mount -t tmpfs -o mode=755 dev dev
  cp -a /dev/null /dev/zero /dev/urandom /dev/tty dev && cp -a ${device} dev/sdb
  ln -s /proc/self/fd dev/fd && ln -s /proc/self/fd/0 dev/stdin && ln -s /proc/self/fd/1 dev/stdout
  mount --move dev /dev`

/** A disk of noise with a file system of Windows in it. */
function makeDisk(folder: string, name: string, mebibytes: number): string {
  const disk = path.join(folder, name)
  ask('bash', '-c', 'head -c "$1" /dev/urandom > "$0"', disk, String(mebibytes << 20))
  ask('bash', '-c', '/sbin/mkntfs -F -q -Q "$0" 2>&1', disk)
  return disk
}

const VAULT = '[ "$1" = vault ] && cd vault && exec sh -c "$2"'

test('a small disk', async (t) => {
  const bench = openBench(t)
  const device = loopDevice(t, makeDisk(bench.folder, 'disk', 5))
  bench.stand('ssh', VAULT)
  await bench.runAsRoot(SMALL_DISK, `${onlyDisk(device)}\nmount -t tmpfs -o size=1M stick /mnt`)
  const { folder } = bench
  for (const image of ['vault/disk.aff4', 'vault/both.aff4', 'disk.E01', 'both.E01'])
    await onHost('cd "$0"; image-cat "$1" | raw-sink - | cmp - disk', folder, image)
  ask('ewfverify', '-q', path.join(folder, 'disk.E01'))
})

test('a dead disk', async (t) => {
  const bench = openBench(t)
  const shim = path.join(bench.folder, 'bad-media.so')
  ask('gcc', '-shared', '-fPIC', '-O1', '-o', shim, 'test/sources/files/bad-media.c', '-ldl')
  const device = loopDevice(t, makeDisk(bench.folder, 'disk', 4))
  const told = await bench.runAsRoot(
    DEAD_DISK,
    `${onlyDisk(device)}
     export LD_LIBRARY_PATH=$PWD LD_PRELOAD=bad-media.so BAD_FILE=/dev/sdb BAD_RANGES='40960+8192:${EIO} 2097152+4096:${EIO}'`,
  )
  for (const range of ['0xa000  0xc000  0x2000', '0x200000  0x201000  0x1000'])
    t.true(told.includes(`${range}  unreadable`), told)
  // ddrescue and file-cat saved the same.
  const same = 'cmp <(image-cat disk.E01 | raw-sink -) <(image-cat saved.aff4 | raw-sink -)'
  await onHost(`cd "$0"; ${same}`, bench.folder)
})

test('an old E01', async (t) => {
  const bench = openBench(t)
  const disk = makeDisk(bench.folder, 'disk', 4)
  ask(
    'bash',
    '-c',
    'ewfacquirestream -q -t "$0"/old -C 7 -D disk -e examiner -E 1 -N none < "$1"',
    bench.folder,
    disk,
  )
  await bench.run(OLD_E01)
})

test('a volume that was cut', async (t) => {
  const bench = openBench(t)
  const device = loopDevice(t, makeDisk(bench.folder, 'disk', 4))
  const told = await bench.runAsRoot(
    CUT_VOLUME,
    `${onlyDisk(device)}
     image-cat disk | pmem-hash sha256 | pmem-compress zlib | aff4-sink --block-hashes whole.aff4
     head -c 2000000 whole.aff4 > cut.aff4
     file-cat /dev/sdb | head -c 2000000 | aff4-sink disk.aff4 && exit 1`,
  )
  const [, lost] = /^ +(0x[0-9a-f]+) +0x400000 +0x[0-9a-f]+ +unreadable$/m.exec(told)!
  t.true(Number(lost) > 1_500_000)
  await onHost(`cd "$0"; cmp -n $(($1)) recovered.raw disk`, bench.folder, lost!)
  await onHost('cd "$0"; aff4-cat disk.aff4 | raw-sink - | cmp - disk', bench.folder)
})

let lab: Lab
let configuration: string
test.before(async () => {
  const port = await freePort()
  lab = await openLab({ memory: 512, sshPort: port })
  configuration = await startSsh(lab.guest, port, lab.folder)
})
test.after.always(() => lab?.close())

/** Emulated on a busy machine; on an idle one it is a minute. */
const LONGEST_SECONDS = 900

/** Runs commands in a new folder of the guest, by a bash script around them. */
async function runInGuest(
  t: ExecutionContext,
  commands: readonly Command[],
  around: (script: string) => string,
  folder = '/run/share/field',
): Promise<void> {
  writeFileSync(path.join(lab.guest.share, 'commands'), scriptOf(commands))
  const { stdout, stderr } = await lab.guest.run(
    `rm -rf ${folder}; mkdir -m 777 ${folder}; cd ${folder}; ${around('bash /run/share/commands')}`,
    LONGEST_SECONDS,
  )
  t.is(stdout, statusesOf(commands), stderr)
}

/** A script that starts a program of this name and goes on when it runs. */
const running = (name: string) =>
  `cp /bin/sleep ${name}; ./${name} 10000 > /dev/null 2>&1 & until pgrep ${name} > /dev/null; do sleep 0.1; done`

test.serial('in a container', async (t) => {
  const isHosts = ({ text }: Command) => text.includes('/host/proc')
  await runInGuest(
    t,
    CONTAINER.filter((command) => !isHosts(command)),
    (script) => {
      // What Docker gives and hides.
      const few =
        'setpriv --bounding-set=-sys_rawio,-sys_admin,-sys_ptrace --inh-caps=-sys_rawio,-sys_admin,-sys_ptrace'
      const inside = `mount --bind /dev/null /proc/kcore; exec ${few} bash -c ${quoted(`${running('nginx')}; ${script}`)}`
      return `unshare --mount --pid --fork --kill-child --mount-proc bash -c ${quoted(inside)}`
    },
  )
  await runInGuest(t, CONTAINER.filter(isHosts), (script) => {
    const inside = `
      mkdir /run/root-of-container; mount -t tmpfs root /run/root-of-container; cd /run/root-of-container
      for folder in /*; do
        [ -L $folder ] && cp -a $folder .
        [ -d $folder ] && [ ! -L $folder ] && mkdir .$folder && [ $folder != /proc ] && mount --rbind $folder .$folder
      done
      mkdir -p host/proc; mount --bind /proc host/proc; mount -t proc proc proc
      chroot . bash -c ${quoted(`cd /run/share/field; ${script}`)}`
    return `unshare --mount --pid --fork --kill-child bash -c ${quoted(inside)}`
  })
})

test.serial('without root', async (t) => {
  await runInGuest(
    t,
    NO_ROOT,
    (script) => {
      const nobody = 'setpriv --reuid=65534 --regid=65534 --clear-groups'
      return `${nobody} bash -c ${quoted(`${running('firefox')}; ${script}; kill %1`)}`
    },
    '/run/field',
  )
})

test.serial('a slow link', async (t) => {
  const bench = openBench(t)
  bench.stand('ssh', `exec /usr/bin/ssh -F '${configuration}' "\${@/root@host/root@guest}"`)
  await bench.run(SLOW_LINK)

  // What came is handed over.
  const lime = path.resolve('test/sinks/lime.py')
  bench.stand(
    'vol',
    `[ "$1 $3" = '-f banners.Banners' ] && /usr/bin/python3 '${lime}' list "$2" && grep -aom1 'Linux version [0-9.]*' "$2"`,
  )
  await bench.run(HANDING_OVER)
  const kallsyms = readFileSync(path.join(bench.folder, 'kallsyms'), 'latin1')
  t.regex(kallsyms, /^[0-9a-f]{16} . init_task$/m)
  const btf = readFileSync(path.join(bench.folder, 'vmlinux.btf'))
  t.is(btf.readUInt16LE(), 0xeb9f)
})

test.serial('a locked-down kernel', async (t) => {
  await runInGuest(
    t,
    LOCKDOWN,
    (script) =>
      `${running('sshd')}; echo confidentiality > /sys/kernel/security/lockdown; ${script}; kill %1`,
  )
})

test('a Windows host', async (t) => {
  const windows = await openWindows()
  try {
    renameSync(await buildDriver(windows.folder, { ABI: 20 }), path.join(windows.folder, 'winpmem_x64.sys'))
    const stick = path.join(windows.folder, 'stick')
    mkdirSync(stick)
    symlinkSync(stick, path.join(windows.drive, '../dosdevices/e:'))
    for (const { text, status } of WINDOWS) {
      const programs = text.split(' | ').map((program) => program.split(' ') as unknown as Program)
      const { statuses, stderr } = await windows.run(programs)
      t.is(statuses.at(-1), status, stderr)
    }
    await holdsTheMemory(t, path.join(stick, 'case.aff4'))
    await nothingIsLeft(t, windows)
  } finally {
    await windows.close()
  }
})
