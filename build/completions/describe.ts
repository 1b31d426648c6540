import { tableOf } from '../../src/cli/launch.js'
import type { Tool } from '../../src/cli/tool.js'

/** What a word may be. */
export interface Words {
  /** As help calls it. */
  readonly name: string
  readonly choices: readonly string[]
  /** What else there is to offer. */
  readonly kind: 'file' | 'folder' | 'process' | 'nothing'
}

export interface Option {
  readonly long: string
  readonly short: string | undefined
  readonly help: string
  readonly repeat: boolean
  /** Undefined for a flag. */
  readonly value: Words | undefined
}

/** A tool as a shell has to know it. */
export interface Described {
  readonly name: string
  readonly options: readonly Option[]
  /** Undefined where it takes none. */
  readonly operands: Words | undefined
}

export function describeTool(tool: Tool): Described {
  return {
    name: tool.name,
    options: Object.entries(tableOf(tool)).map(([long, { short, value, choices, help, repeat = false }]) => ({
      long,
      short,
      help,
      repeat,
      value: value === undefined ? undefined : wordsOf(value, choices),
    })),
    operands: tool.operands[1] === 0 ? undefined : operandsOf(tool),
  }
}

/** By the names that help and usage lines have for files. */
const FILES = /\b(FILE|PATH|IMAGE|VOLUME|OUT)\b/
const FOLDERS = /\bDIR\b/
/** As an operand. An option that takes one is of pmem-read-ssh: what runs here says nothing of its host. */
const PROCESSES = /\bPID\b/

function operandsOf({ usage, choices }: Tool): Words {
  const words = wordsOf(usage, choices)
  return PROCESSES.test(usage) ? { ...words, kind: 'process' } : words
}

/** What help calls it tells what it may be: `FILE`, `PID|self`, `zlib|snappy`; names in upper case are not choices. */
function wordsOf(name: string, choices: readonly string[] | undefined): Words {
  const listed = name.split('|').filter((word) => /^[a-z0-9]+$/.test(word))
  const kind = FILES.test(name) ? 'file' : FOLDERS.test(name) ? 'folder' : 'nothing'
  return { name, choices: choices ?? listed, kind }
}
