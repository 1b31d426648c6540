import fs from 'node:fs'
import path from 'node:path'
import { EXIT, ToolError } from '../../cli/exit.js'
import { asToolError, reasonOf } from '../../cli/failure.js'
import {
  type FileCourse,
  type Outcome,
  type Output,
  openFileOutput,
  openOutput,
  partialName,
  refuseInput,
  settleFile,
} from '../../cli/output.js'
import type { Space } from '../../cli/space.js'
import {
  type AppendGuard,
  dropGuard,
  guardLeft,
  guardName,
  type HeldGuard,
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
  /**
   * Begins a volume, or goes on with the one that is there.
   * @param sink writes to the output
   * @param complete where frames come that complete a volume: what it is gone on with
   */
  begin(sink: ByteSink, options: VolumeOptions, complete?: Complete): Promise<VolumeWriter>
  /** As `finish` of the output. */
  finish(outcome: Outcome): Promise<string | undefined>
  /**
   * What could not be finished goes; a file that was appended to is again what it was.
   * @returns whether there was something to restore
   */
  undo(): Promise<boolean>
}

/** @returns the old volume without what may not be true any more */
export type Complete = (file: string, old: OldVolume | undefined) => Promise<OldVolume>

export interface VolumePlace {
  /** Take the place of what is there. */
  readonly replace: boolean
  /** Put a volume behind a file that is none. */
  readonly onto: boolean
  /** The volume will be encrypted, which only a new one can be. */
  readonly encrypt: boolean
  /** It takes its name from its content, which only a new file can. */
  readonly deterministic: boolean
  readonly kind: VolumeKind
}

/**
 * Opens the output of a volume. A volume that is there is appended to.
 * @throws {ToolError} when what is there allows neither
 */
export async function openVolumeOutput(
  target: string,
  { replace, onto, encrypt, deterministic, kind }: VolumePlace,
  spaceOf: (freed?: bigint) => Space,
): Promise<VolumeOutput> {
  if (deterministic && encrypt) throw new ToolError(EXIT.usage, '--deterministic does not go with --encrypt')
  if (deterministic && onto) throw new ToolError(EXIT.usage, '--deterministic does not go with --onto')
  if (onto && encrypt) throw new ToolError(EXIT.usage, '--onto does not go with --encrypt')
  if (replace && onto) throw new ToolError(EXIT.usage, '--onto keeps what -t would replace')
  const isFile = target !== '-' && stateOf(target)?.isFile()
  if (isFile && !replace && encrypt)
    throw new ToolError(EXIT.cannotCreate, `${target}: file exists`, {
      hint: 'only a new volume can be encrypted; -t replaces it',
    })
  if (isFile && !replace && deterministic)
    throw new ToolError(EXIT.cannotCreate, `${target}: file exists`, {
      hint: 'only a new volume can be --deterministic; -t replaces it',
    })
  if (isFile && !replace) return openAppend(target, onto, kind, spaceOf())
  if (onto)
    throw new ToolError(EXIT.noInput, `${target}: no file to put a volume behind`, {
      hint: 'without --onto a new volume is made',
    })
  const unfinished = replace || encrypt || deterministic || target === '-' ? undefined : partialName(target)
  if (unfinished !== undefined && stateOf(unfinished)?.isFile() && !stateOf(target))
    return openUnfinished(target, unfinished, kind, spaceOf())
  const place = openNew(target, replace, kind, spaceOf)
  if (deterministic && !place.output.seekable)
    throw new ToolError(EXIT.usage, `${target}: no regular file, as --deterministic needs one`, {
      hint: 'a volume begins with its name, which follows from all that it holds',
    })
  return place
}

function openNew(
  target: string,
  replace: boolean,
  kind: VolumeKind,
  spaceOf: (freed: bigint) => Space,
): VolumeOutput {
  const output = openOutput(target, replace, spaceOf)
  const guard = target === '-' ? undefined : guardLeft(target)
  if (guard !== undefined && !replace)
    throw new ToolError(EXIT.cannotCreate, `${guard}: file exists, and no volume that it could guard`, {
      hint: '-t removes it',
    })
  return {
    output,
    appends: false,
    async begin(sink, options, complete) {
      if (complete) await complete(target, undefined)
      return createVolume(sink, { ...options, ...newKind(kind) })
    },
    async finish(outcome) {
      const kept = await output.finish(outcome)
      if (guard !== undefined && kept === target) fs.unlinkSync(guard)
      return kept
    },
    undo: async () => false,
  }
}

/** A volume of which not all came, under its partial name: only what it lacks may be added to it. */
async function openUnfinished(
  target: string,
  partial: string,
  kind: VolumeKind,
  space: Space,
): Promise<VolumeOutput> {
  const refused = (more: string) =>
    new ToolError(EXIT.cannotCreate, `${partial}: file exists`, { hint: `-t replaces it, ${more}` })
  if (guardLeft(partial) === undefined && !(await isVolume(partial)))
    throw refused('aff4-recover makes a volume of all that is whole in it')
  const appended = await openAppend(partial, false, kind, space)
  return {
    ...appended,
    async begin(sink, options, complete) {
      if (!complete) throw refused(`pmem-select --missing-from ${partial} brings what it lacks`)
      return appended.begin(sink, options, complete)
    },
    async finish(outcome) {
      const kept = await appended.finish(outcome)
      return kept !== undefined && outcome.status === 'complete' ? settleFile(partial, target, false) : kept
    },
  }
}

async function openAppend(
  target: string,
  onto: boolean,
  kind: VolumeKind,
  space: Space,
): Promise<VolumeOutput> {
  refuseInput(target)
  try {
    fs.accessSync(target, fs.constants.W_OK)
    fs.accessSync(path.dirname(guardName(target)), fs.constants.W_OK)
    const left = await readGuard(target)
    if (left) refuseGuarded(target, left)
  } catch (error) {
    throw cannotCreate(error)
  }
  const first = { old: await readOld(target, onto, kind), state: stateOf(target) }
  refuseSeveralNames(target, first.state)
  let guard: HeldGuard | undefined

  async function guarded(): Promise<HeldGuard> {
    try {
      return await setGuard(target)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') refuseGuarded(target)
      throw new ToolError(EXIT.cannotCreate, `${guardName(target)}: ${reasonOf(error)}`, { cause: error })
    }
  }

  function check(): void {
    if (guard && !guard.held)
      throw new ToolError(EXIT.io, `${target}: undone or replaced by another program during this append`, {
        hint: `what was appended is lost; aff4-verify ${target} tells what there is`,
      })
  }

  const course: FileCourse = {
    open() {
      if (!guard) throw new ToolError(EXIT.internal, `${target}: would be written without its guard`)
      return fs.openSync(target, 'r+')
    },
    check,
    settle() {
      check()
      return target
    },
  }
  const output = openFileOutput(target, target, course, space)

  return {
    output,
    appends: first.old !== undefined,
    async begin(sink, options, complete) {
      guard = await guarded()
      // Others may have appended to it while no stream had come.
      const there = isSame(first.state, stateOf(target)) ? first.old : await readOld(target, onto, kind)
      const old = complete ? await complete(target, there) : there
      await output.truncate(guard.length)
      return old ? continueVolume(sink, old) : createVolume(sink, { ...options, ...newKind(kind) })
    },
    async finish(outcome) {
      if (!guard) return undefined
      const kept = await output.finish(outcome).catch((error) => {
        throw guard?.held ? stillGuarded(error, target) : error
      })
      unguard(target, guard)
      guard = undefined
      return kept
    },
    async undo() {
      if (!guard?.held) return false
      const changed = stateOf(target)?.size !== guard.length
      if (changed) await undoAppend(target)
      else unguard(target, guard)
      guard = undefined
      return changed
    },
  }
}

/** Nobody knows how much of it is on the disk: the old volume counts, and what follows is left to be looked at. */
function stillGuarded(error: unknown, target: string): ToolError {
  const { exitCode, message } = asToolError(error)
  return new ToolError(exitCode, message, {
    hint: `it reads as it was before; aff4-recover ${target} makes another volume of all there is`,
    cause: error,
  })
}

/** All is on the disk: should the guard stay all the same, nothing is undone for that. */
function unguard(target: string, guard: HeldGuard): void {
  try {
    dropGuard(guard)
  } catch (error) {
    throw new ToolError(EXIT.io, `${guard.name}: ${reasonOf(error)}`, {
      hint: `all that was written is in ${target}: remove ${guard.name}, and it can be read`,
      cause: error,
    })
  }
}

/** Who opens it by another name finds no guard, and could append at the same time. */
function refuseSeveralNames(target: string, state: fs.BigIntStats | undefined): void {
  if (state && state.nlink > 1n)
    throw new ToolError(EXIT.cannotCreate, `${target}: the file has ${state.nlink} names (hard links)`, {
      hint: 'what is appended would change it under all of them: append to a copy',
    })
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

function refuseGuarded(target: string, guard?: AppendGuard): never {
  if (guard && !guard.fits)
    throw new ToolError(
      EXIT.cannotCreate,
      `${target}: ${guard.name} speaks of another volume than this one`,
      {
        hint: `where nothing writes any more, remove ${guard.name}`,
      },
    )
  throw new ToolError(
    EXIT.cannotCreate,
    `${target}: an append is under way, or was not finished: ${guardName(target)} is there`,
    { hint: `where nothing writes any more, aff4-recover --undo ${target} takes that append back` },
  )
}

/** How a ZIP file begins that nothing stands before. */
const LOCAL_HEADER = Buffer.from('PK\x03\x04')

/** Whether there is a directory: the sink that wrote it came to its end. */
async function isVolume(target: string): Promise<boolean> {
  const source = openFileSource(target)
  try {
    return (await readDirectory(source)) !== undefined
  } catch (error) {
    if (error instanceof FormatError) return false
    throw cannotCreate(error)
  } finally {
    await source.close()
  }
}

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
    if (!onto) refuse('it is no volume: -t replaces it, aff4-sink --onto puts a volume behind it')
    return undefined
  } finally {
    await source.close()
  }
}
