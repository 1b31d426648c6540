import { isDamage } from '../../formats/format-error.js'
import { type SystemFiles, textOf } from '../system-files.js'

/** What /proc tells about a thread without stopping it. */
export interface Thread {
  readonly id: number
  readonly name: string
  /** One letter of /proc/PID/stat: R(unning), S(leeping), … */
  readonly state: string | undefined
  /** Number of the system call it waits in; -1 where it waits outside of one. */
  readonly systemCall: bigint | undefined
  readonly stackPointer: bigint | undefined
  readonly instructionPointer: bigint | undefined
}

/**
 * Reads /proc/PID/task/TID/syscall: `running`, `-1 SP PC`, or `NUMBER ARG0 … ARG5 SP PC`, all but the number
 * hexadecimal with 0x.
 */
export function parseSyscall(
  text: string,
): Pick<Thread, 'systemCall' | 'stackPointer' | 'instructionPointer'> {
  const words = text.trim().split(' ')
  const [number] = words
  const [sp, pc] = words.slice(-2)
  if (number === undefined || !/^-?[0-9]{1,19}$/.test(number) || !isHex(sp) || !isHex(pc))
    return { systemCall: undefined, stackPointer: undefined, instructionPointer: undefined }
  return { systemCall: BigInt(number), stackPointer: BigInt(sp), instructionPointer: BigInt(pc) }
}

const isHex = (word: string | undefined): word is string =>
  word !== undefined && /^0x[0-9a-f]{1,16}$/.test(word)

/**
 * Reads /proc/PID/task/TID/stat, `ID (NAME) STATE …`; the name may hold anything. kstkesp and kstkeip, fields
 * 29 and 30, are 0 but for a thread that is exiting.
 */
export function parseStat(
  text: string,
): Pick<Thread, 'name' | 'state' | 'stackPointer' | 'instructionPointer'> {
  const close = text.lastIndexOf(')')
  const fields = text.slice(close + 2).split(' ')
  const pointer = (field: number) => {
    const word = fields[field - 3]
    return word !== undefined && /^[1-9][0-9]{0,19}$/.test(word) ? BigInt(word) : undefined
  }
  return {
    name: text.slice(text.indexOf('(') + 1, Math.max(close, 0)),
    state: fields[0] || undefined,
    stackPointer: pointer(29),
    instructionPointer: pointer(30),
  }
}

/**
 * The threads of a process, as far as who reads these files may see them; its leader, whose ID is that of the process,
 * first.
 */
export async function readThreads(files: SystemFiles, pid: number): Promise<Thread[]> {
  const folder = `/proc/${pid}/task`
  // IDs begin anew after the largest, so a later thread may have a smaller one than the leader.
  const ids = (await listed(files, folder))
    .map(Number)
    .sort((a, b) => Number(b === pid) - Number(a === pid) || a - b)
  // All at once: a far machine answers them one behind the other.
  return Promise.all(
    ids.map(async (id) => {
      const [told, call] = await Promise.all(
        ['stat', 'syscall'].map((name) => textOf(files, `${folder}/${id}/${name}`)),
      )
      const stat = parseStat(told ?? '')
      const syscall = parseSyscall(call ?? '')
      return {
        id,
        name: stat.name,
        state: stat.state,
        systemCall: syscall.systemCall,
        stackPointer: syscall.stackPointer ?? stat.stackPointer,
        instructionPointer: syscall.instructionPointer ?? stat.instructionPointer,
      }
    }),
  )
}

async function listed(files: SystemFiles, folder: string): Promise<string[]> {
  try {
    return await files.list(folder)
  } catch (error) {
    if (!isDamage(error)) throw error
    return []
  }
}
