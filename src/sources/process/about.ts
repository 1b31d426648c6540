import fs from 'node:fs'
import { MACHINE } from '../../formats/elf/structs.js'
import { formatAddress } from '../../frames/address.js'
import { readThreads, type Thread } from '../../platform/linux/threads.js'
import { describe, type Literal, long, text } from '../facts.js'

const ABOUT_THREADS =
  'Each thread as /proc/PID/task told it just before the memory was read: the process was not stopped. Stack and instruction pointer are those of user mode and missing for a thread that was running; no other registers can be had this way.'

/** What /proc tells about a process, as Turtle about its memory. */
export function aboutProcess(pid: number, folder: string, pageSize: bigint): string {
  const status = textOf(`${folder}/status`) ?? ''
  const id = (field: string) => {
    const digits = new RegExp(`^${field}:\\s*([0-9]+)`, 'm').exec(status)?.[1]
    return digits === undefined ? undefined : long(BigInt(digits))
  }
  const threads = readThreads(pid)
  const machine = MACHINE[process.arch]
  return describe(['pmem:ProcessMemory'], {
    'aff4:pageSize': long(pageSize),
    'pmem:elfMachine': machine === undefined ? undefined : long(machine),
    'pmem:processId': long(pid),
    'pmem:parentProcessId': id('PPid'),
    'pmem:uid': id('Uid'),
    'pmem:gid': id('Gid'),
    'pmem:executable': literal(linkOf(`${folder}/exe`)),
    'pmem:processName': literal(textOf(`${folder}/comm`)?.replace(/\n$/, '')),
    'pmem:commandLine': literal(textOf(`${folder}/cmdline`)?.replace(/\0$/, '').replaceAll('\0', ' ')),
    'pmem:aboutThreads': threads.length > 0 ? text(ABOUT_THREADS) : undefined,
    'pmem:thread':
      threads.length > 0 ? threads.map((thread) => text(showThread(thread))).join(', ') : undefined,
  })
}

/** `id=7 state=S systemCall=202 stackPointer=0x… instructionPointer=0x… name=…`, the name last. */
function showThread({ id, state, systemCall, stackPointer, instructionPointer, name }: Thread): string {
  const known: [string, string | number | bigint | undefined][] = [
    ['id', id],
    ['state', state],
    ['systemCall', systemCall],
    ['stackPointer', stackPointer && formatAddress(stackPointer)],
    ['instructionPointer', instructionPointer && formatAddress(instructionPointer)],
    ['name', name],
  ]
  return known
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ')
}

function literal(value: string | undefined): Literal | undefined {
  return value ? text(value) : undefined
}

function textOf(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function linkOf(path: string): string | undefined {
  try {
    return fs.readlinkSync(path)
  } catch {
    return undefined
  }
}
