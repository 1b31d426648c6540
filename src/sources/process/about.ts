import { isDamage } from '../../formats/format-error.js'
import { formatAddress } from '../../frames/address.js'
import { readThreads, type Thread } from '../../platform/linux/threads.js'
import { type SystemFiles, textOf } from '../../platform/system-files.js'
import { describe, type Literal, long, text } from '../facts.js'

const ABOUT_THREADS =
  'Each thread as /proc/PID/task told it just before the memory was read: the process was not stopped. Stack and instruction pointer are those of user mode and missing for a thread that was running; no other registers can be had this way.'

/** Offset of e_machine, and up to where it is read. */
const [MACHINE, HEADER] = [18, 20]

/**
 * What /proc tells about a process, as Turtle about its memory.
 * @param files of the machine that it runs on
 */
export async function aboutProcess(
  files: SystemFiles,
  pid: number,
  folder: string,
  pageSize: bigint,
): Promise<string> {
  const status = (await textOf(files, `${folder}/status`)) ?? ''
  const id = (field: string) => {
    const digits = new RegExp(`^${field}:\\s*([0-9]+)`, 'm').exec(status)?.[1]
    return digits === undefined ? undefined : long(BigInt(digits))
  }
  const threads = await readThreads(files, pid)
  const machine = await machineOf(files, `${folder}/exe`)
  const [name, words] = [await textOf(files, `${folder}/comm`), await textOf(files, `${folder}/cmdline`)]
  return describe(['pmem:ProcessMemory'], {
    'aff4:pageSize': long(pageSize),
    'pmem:elfMachine': machine === undefined ? undefined : long(machine),
    'pmem:processId': long(pid),
    'pmem:parentProcessId': id('PPid'),
    'pmem:uid': id('Uid'),
    'pmem:gid': id('Gid'),
    'pmem:executable': literal(await files.linkTarget(`${folder}/exe`)),
    'pmem:processName': literal(name?.replace(/\n$/, '')),
    'pmem:commandLine': literal(words?.replace(/\0$/, '').replaceAll('\0', ' ')),
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

/** e_machine of an ELF file. */
async function machineOf(files: SystemFiles, path: string): Promise<number | undefined> {
  try {
    const file = await files.open(path)
    const header = Buffer.alloc(HEADER)
    const count = await file.read(0n, header)
    file.close()
    return count === HEADER ? header.readUInt16LE(MACHINE) : undefined
  } catch (error) {
    if (!isDamage(error)) throw error
    return undefined
  }
}
