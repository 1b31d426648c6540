import fs from 'node:fs'
import path from 'node:path'
import { EXIT, ToolError } from '../../cli/exit.js'
import { asToolError } from '../../cli/failure.js'
import { type Outcome, type Output, openFileOutput, openOutput, refuseInput } from '../../cli/output.js'
import {
  type AppendGuard,
  dropGuard,
  guardLeft,
  guardName,
  readGuard,
  setGuard,
  undoAppend,
} from '../../formats/aff4/append-guard.js'
import { type OldVolume, readOldVolume } from '../../formats/aff4/old-volume.js'
import {
  continueVolume,
  createVolume,
  type VolumeOptions,
  type VolumeWriter,
} from '../../formats/aff4/writer.js'
import { readDirectory } from '../../formats/aff4/zip/reader.js'
import type { ByteSink } from '../../formats/byte-source.js'
import { openFileSource } from '../../formats/file-source.js'
import { FormatError } from '../../formats/format-error.js'
import type { VolumeKind } from './volume-kind.js'

/** Where a volume goes: a new file, a pipe, or the end of a file that is there. */
export interface VolumeOutput {
  readonly output: Output
  /** A volume is there, and stays. */
  readonly appends: boolean
  /** Begins a volume, or goes on with the one that is there. @param sink writes to the output */
  begin(sink: ByteSink, options: VolumeOptions): Promise<VolumeWriter>
  /** As `finish` of the output. */
  finish(outcome: Outcome): Promise<string | undefined>
  /**
   * What could not be finished goes; a file that was appended to is again what it was.
   * @returns whether there was something to restore
   */
  undo(): Promise<boolean>
}

export interface VolumePlace {
  /** Take the place of what is there. */
  readonly replace: boolean
  /** Put a volume behind a file that is none. */
  readonly onto: boolean
  /** The volume will be encrypted, which only a new one can be. */
  readonly encrypt: boolean
  readonly kind: VolumeKind
}

/**
 * Opens the output of a volume. A volume that is there is appended to.
 * @throws {ToolError} when what is there allows neither
 */
export async function openVolumeOutput(
  target: string,
  { replace, onto, encrypt, kind }: VolumePlace,
): Promise<VolumeOutput> {
  if (onto && encrypt) throw new ToolError(EXIT.usage, '--onto does not go with --encrypt')
  if (replace && onto) throw new ToolError(EXIT.usage, '--onto keeps what -t would replace')
  const isFile = target !== '-' && stateOf(target)?.isFile()
  if (isFile && !replace && encrypt)
    throw new ToolError(EXIT.cannotCreate, `${target}: file exists`, {
      hint: 'only a new volume can be encrypted; -t replaces it',
    })
  if (isFile && !replace) return openAppend(target, onto, kind)
  if (onto)
    throw new ToolError(EXIT.noInput, `${target}: no file to put a volume behind`, {
      hint: 'without --onto a new volume is made',
    })
  return openNew(target, replace, kind)
}

function openNew(target: string, replace: boolean, kind: VolumeKind): VolumeOutput {
  const output = openOutput(target, replace)
  const guard = target === '-' ? undefined : guardLeft(target)
  if (guard !== undefined && !replace)
    throw new ToolError(EXIT.cannotCreate, `${guard}: file exists, and no volume that it could guard`, {
      hint: '-t removes it',
    })
  return {
    output,
    appends: false,
    begin: (sink, options) => createVolume(sink, { ...options, ...newKind(kind) }),
    async finish(outcome) {
      const kept = await output.finish(outcome)
      if (guard !== undefined && kept === target) fs.rmSync(guard)
      return kept
    },
    undo: async () => false,
  }
}

async function openAppend(target: string, onto: boolean, kind: VolumeKind): Promise<VolumeOutput> {
  refuseInput(target)
  try {
    fs.accessSync(target, fs.constants.W_OK)
    fs.accessSync(path.dirname(guardName(target)), fs.constants.W_OK)
    if (await readGuard(target)) refuseGuarded(target)
  } catch (error) {
    throw cannotCreate(error)
  }
  const first = { old: await readOld(target, onto, kind), state: stateOf(target) }
  let guard: AppendGuard | undefined
  const unguard = () => {
    if (guard) dropGuard(guard)
    guard = undefined
  }
  const output = openFileOutput(target, target, {
    open() {
      if (!guard) throw new ToolError(EXIT.internal, `${target}: would be written without its guard`)
      return fs.openSync(target, 'r+')
    },
    settle() {
      unguard()
      return target
    },
  })
  return {
    output,
    appends: first.old !== undefined,
    async begin(sink, options) {
      try {
        guard = await setGuard(target)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') refuseGuarded(target)
        throw cannotCreate(error)
      }
      // Others may have appended to it while no stream had come.
      const old = isSame(first.state, stateOf(target)) ? first.old : await readOld(target, onto, kind)
      await output.truncate(guard.length)
      return old ? continueVolume(sink, old) : createVolume(sink, { ...options, ...newKind(kind) })
    },
    async finish(outcome) {
      const kept = await output.finish(outcome)
      unguard()
      return kept
    },
    async undo() {
      if (!guard) return false
      await undoAppend(target)
      guard = undefined
      return true
    },
  }
}

function stateOf(name: string): fs.BigIntStats | undefined {
  try {
    return fs.statSync(name, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    throw cannotCreate(error)
  }
}

const isSame = (before: fs.BigIntStats | undefined, now: fs.BigIntStats | undefined): boolean =>
  before?.ino === now?.ino && before?.size === now?.size && before?.mtimeNs === now?.mtimeNs

const newKind = ({ logical, dialect }: VolumeKind): Partial<VolumeOptions> => ({
  minor: logical ? 1 : 0,
  ...(dialect && { dialect }),
})

const cannotCreate = (error: unknown) =>
  error instanceof ToolError
    ? error
    : new ToolError(EXIT.cannotCreate, asToolError(error).message, { cause: error })

function refuseGuarded(target: string): never {
  throw new ToolError(
    EXIT.cannotCreate,
    `${target}: an append is under way, or was not finished: ${guardName(target)} is there`,
    { hint: `where nothing writes any more, aff4-recover --undo ${target} takes that append back` },
  )
}

/** How a ZIP file begins that nothing stands before. */
const LOCAL_HEADER = Buffer.from('PK\x03\x04')

/** The volume that is there; undefined where one may be put behind what is no volume. */
async function readOld(target: string, onto: boolean, kind: VolumeKind): Promise<OldVolume | undefined> {
  const source = openFileSource(target)
  const refuse = (hint: string): never => {
    throw new ToolError(EXIT.cannotCreate, `${target}: file exists`, { hint })
  }
  try {
    const old = await readOldVolume(source)
    if (kind.logical && old.minor === 0)
      refuse('its version is 1.0, and that of --logical 1.1; -t replaces it')
    if (kind.dialect && kind.dialect !== old.dialect)
      refuse('it is in the other layout: without --layout it is appended to in its own; -t replaces it')
    return old
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    const zip = await readDirectory(source).catch(() => undefined)
    const reason = error.message.replace(`${target}: `, '')
    if (zip || LOCAL_HEADER.equals(await source.read(0n, LOCAL_HEADER.length)))
      refuse(`it cannot be appended to: ${reason}; -t replaces it`)
    if (!onto) refuse('it is no volume: -t replaces it, --onto puts a volume behind it')
    return undefined
  } finally {
    await source.close()
  }
}
