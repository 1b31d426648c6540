import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { dumpMemory } from './dump.js'
import { initramfs } from './initramfs.js'
import { guestParts } from './parts.js'
import { connected, connectQmp, type Qmp } from './qmp.js'

export interface GuestOptions {
  /** MiB. */
  readonly memory: number
  /** Levels of page tables; 5 needs a processor that has them, or emulation. */
  readonly paging?: 4 | 5
  /** Further settings of QEMU's pc machine. */
  readonly machine?: string
  /** A free slot for a memory module; it costs the guest 64 MiB, which Linux then keeps for devices. */
  readonly slot?: boolean
  /** Forwards this port of the host's 127.0.0.1 to the guest's port 22. */
  readonly sshPort?: number
}

export interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** A Debian kernel that runs under QEMU, with the host's programs. */
export interface Guest {
  /** A folder of the host that the guest sees as /run/share. Goes away with the guest. */
  readonly share: string
  /** Runs a bash script as root. @throws {Error} when the guest died, or after `seconds` (300) */
  run(script: string, seconds?: number): Promise<Outcome>
  /** As `run`, for what has to succeed; gives standard output. */
  ok(script: string, seconds?: number): Promise<string>
  /** Lets the guest's balloon take memory away until `memory` MiB are left. */
  balloon(memory: number): Promise<void>
  /** Plugs a memory module of `MODULE` MiB into the slot; the guest leaves it offline until it is told otherwise. */
  plugModule(): Promise<void>
  /** Memory as the hypervisor sees it, flat: offset = physical address. The guest stands still meanwhile. */
  dump(file: string): Promise<void>
  /** Pulls the plug. */
  stop(): Promise<void>
}

/** MiB of a block of memory, which is taken on and off as a whole. */
export const MODULE = 128

/** How long a guest may take until it asks for work: emulated ones need 10 s on an idle machine. */
const BOOT_SECONDS = 300
const RUN_SECONDS = 300
/** Until QEMU itself listens. */
const START_SECONDS = 60

/** Boots with hardware help where that works, else emulated. */
export async function bootGuest(options: GuestOptions): Promise<Guest> {
  if (!hardwareHelps(options.paging ?? 5)) return boot(options, 'tcg')
  return boot(options, 'kvm').catch(() => boot(options, 'tcg'))
}

/** /dev/kvm alone says little: nested without VMX or SVM it opens and is useless. */
function hardwareHelps(paging: 4 | 5): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
  } catch {
    return false
  }
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'latin1'))?.[1]?.split(' ') ?? []
  return (flags.includes('vmx') || flags.includes('svm')) && (paging === 4 || flags.includes('la57'))
}

async function boot(options: GuestOptions, accelerator: 'kvm' | 'tcg'): Promise<Guest> {
  const parts = await guestParts()
  const work = await mkdtemp(join(tmpdir(), 'pmem-guest-'))
  const share = join(work, 'share')
  const serial = join(work, 'serial')
  const socket = (name: string) => join(work, name)
  await mkdir(share)
  await writeFile(join(work, 'initramfs'), await initramfs(parts))

  const log = openSync(join(work, 'qemu'), 'w')
  // It goes with the test that was stopped by force.
  const qemu = spawn(
    'setpriv',
    [
      ['--pdeathsig', 'KILL', 'qemu-system-x86_64'],
      '-nodefaults -no-user-config -display none -no-reboot'.split(' '),
      ['-accel', accelerator, '-cpu', options.paging === 4 ? 'max,la57=off' : 'max'],
      ['-machine', ['pc', options.machine].filter(Boolean).join(','), '-m', memoryOf(options)],
      ['-kernel', parts.kernel, '-initrd', join(work, 'initramfs')],
      [
        '-append',
        'console=ttyS0 quiet panic=-1 random.trust_cpu=on no_timer_check memhp_default_state=offline',
      ],
      ['-serial', `file:${serial}`, '-qmp', `unix:${socket('qmp')},server=on,wait=off`],
      ['-chardev', `socket,id=control,path=${socket('control')},server=on,wait=off`],
      ['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=control,name=control'],
      ['-device', 'virtio-balloon-pci'],
      shared('root', '/', ',readonly=on'),
      shared('share', share, ''),
      options.sshPort ? network(options.sshPort) : [],
    ].flat(),
    { stdio: ['ignore', log, log] },
  )
  closeSync(log)
  const machine = watch(qemu, async (what) => {
    const said = await Promise.all(
      [join(work, 'qemu'), serial].map((file) => readFile(file, 'latin1').catch(() => '')),
    )
    return new Error(`guest: ${what}\n${said.join('').slice(-2000)}`)
  })
  const stop = async () => {
    qemu.kill('SIGKILL')
    await machine.gone
    await rm(work, { recursive: true, force: true })
  }
  try {
    const qmp = await machine.alive(connectQmp(socket('qmp')), START_SECONDS, 'no monitor')
    const control = await machine.alive(connected(socket('control')), START_SECONDS, 'no control port')
    const lines = createInterface({ input: control })[Symbol.asyncIterator]()
    const answer = async (): Promise<string> => {
      const line = await lines.next()
      return line.done ? new Promise(() => {}) : line.value
    }
    const seconds = accelerator === 'kvm' ? BOOT_SECONDS / 5 : BOOT_SECONDS
    await machine.alive(answer(), seconds, 'not booted')
    return { share, stop, ...commands(share, machine, qmp, control, answer) }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A folder of the host as a 9p share; files of several host file systems may appear in it. */
const shared = (tag: string, path: string, more: string): string[] => [
  '-fsdev',
  `local,id=${tag},path=${path},security_model=none,multidevs=remap${more}`,
  '-device',
  `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`,
]

const memoryOf = ({ memory, slot }: GuestOptions): string =>
  slot ? `${memory},slots=1,maxmem=${memory + MODULE}M` : String(memory)

const network = (port: number): string[] => [
  '-netdev',
  `user,id=net,hostfwd=tcp:127.0.0.1:${port}-:22`,
  '-device',
  'virtio-net-pci,netdev=net,romfile=',
]

interface Machine {
  /** Why. */
  readonly gone: Promise<string>
  /** `step`, or an error that tells why: QEMU ended, or `seconds` passed. */
  alive<T>(step: Promise<T>, seconds: number, what: string): Promise<T>
}

function watch(qemu: ChildProcess, failure: (what: string) => Promise<Error>): Machine {
  const gone = new Promise<string>((resolve) => {
    qemu.once('exit', () => resolve('QEMU ended'))
    qemu.once('error', ({ message }) => resolve(`${message}: run test/setup`))
  })
  return {
    gone,
    async alive(step, seconds, what) {
      const done = new AbortController()
      const late = sleep(seconds * 1000, `${what} after ${seconds} s`, { signal: done.signal })
      const fail = async (why: Promise<string>) => {
        throw await failure(await why)
      }
      late.catch(() => {})
      step.catch(() => {})
      try {
        return await Promise.race([step, fail(late), fail(gone)])
      } finally {
        done.abort()
      }
    },
  }
}

function commands(share: string, machine: Machine, qmp: Qmp, control: Socket, answer: () => Promise<string>) {
  let jobs = 0
  const run = async (script: string, seconds = RUN_SECONDS): Promise<Outcome> => {
    const job = `job${++jobs}`
    await writeFile(join(share, `${job}.sh`), script)
    control.write(`${job}\n`)
    const reply = await machine.alive(answer(), seconds, `still running: ${script}`)
    const said = (stream: string) => readFile(join(share, `${job}.${stream}`), 'utf8')
    return { status: Number(reply.split(' ')[1]), stdout: await said('out'), stderr: await said('err') }
  }
  return {
    run,
    async ok(script: string, seconds?: number): Promise<string> {
      const { status, stdout, stderr } = await run(script, seconds)
      if (status !== 0) throw new Error(`status ${status}: ${script}\n${stderr}`)
      return stdout
    },
    async balloon(memory: number): Promise<void> {
      const value = memory * 2 ** 20
      await qmp.command('balloon', { value })
      const inflate = async () => {
        while (((await qmp.command('query-balloon')) as { actual: number }).actual > value) await sleep(100)
      }
      await machine.alive(inflate(), RUN_SECONDS, 'balloon not inflated')
    },
    async plugModule(): Promise<void> {
      const [id, backend] = ['module', 'memory-backend-ram']
      await qmp.command('object-add', { 'qom-type': backend, id, size: MODULE * 2 ** 20 })
      await qmp.command('device_add', { driver: 'pc-dimm', id: 'dimm', memdev: id })
    },
    dump: (file: string) => dumpMemory(qmp, file),
  }
}
