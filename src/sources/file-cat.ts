import { isUtf8 } from 'node:buffer'
import fs, { type BigIntStats } from 'node:fs'
import { EXIT, ToolError } from '../cli/exit.js'
import { asToolError, reasonOf } from '../cli/failure.js'
import type { Log } from '../cli/messages.js'
import type { Sampling } from '../cli/sampling.js'
import type { Tool } from '../cli/tool.js'
import type { ChunkReader } from '../codecs/chunk-reader.js'
import { isDamage } from '../formats/format-error.js'
import type { Batch, StreamBody } from '../frames/frame.js'
import type { BlockDevice } from '../platform/linux/block-device.js'
import { openExtendedAttributes } from '../platform/linux/extended-attributes.js'
import { withinReach } from '../platform/linux/long-path.js'
import { pseudoFileSystem } from '../platform/linux/mounts.js'
import { rawArguments } from '../platform/linux/raw-arguments.js'
import { describeFolder, describeLink } from './files/file-facts.js'
import { expand, isAbsent, isPattern } from './files/glob.js'
import { displayPath } from './files/name.js'
import { lookUpDevice, readDevice } from './files/read-device.js'
import { endUnread, type Origin, readFile } from './files/read-file.js'
import { readFifo, readPipe } from './files/read-pipe.js'
import {
  attributesOf,
  beginStream,
  endStream,
  miss,
  noteTransmission,
  type Session,
  skip,
} from './files/session.js'
import { pathStreamName } from './files/system-path.js'
import { type Found, walk } from './files/walk.js'
import { createOutbox } from './outbox.js'

export const tool: Tool = {
  name: 'file-cat',
  role: 'source',
  usage: 'PATH…',
  summary: 'files, directories, patterns and block devices, each as a stream named by its path',
  options: { category: { value: 'CATEGORY', help: 'what the files are: memory:pagefile' } },
  operands: [1, Number.POSITIVE_INFINITY],
  async run({ operands, options, log, io }) {
    let missing = false
    const exit = await io.transmit(
      catFiles({
        operands,
        log,
        program: tool.name,
        interrupted: io.interrupted,
        batchesAlive: io.batchesAlive,
        sampling: io.sampling,
        reader: io.reader,
        category: options.value('category'),
        isOutput: io.isOutput,
        onMissing: () => (missing = true),
      }),
    )
    return exit === EXIT.complete && missing ? EXIT.unreadable : exit
  },
}

const READ_ONCE = 'a pipe, which can be read but once'

export interface CatFiles {
  /** Paths, patterns (glob.ts), and `-` for standard input. */
  readonly operands: readonly string[]
  readonly log: Log
  /** Named in notes. */
  readonly program: string
  readonly interrupted: AbortSignal
  readonly batchesAlive?: number
  /** Reads only so much of each file, and nothing that can be read but once. */
  readonly sampling?: Sampling | undefined
  readonly reader?: ChunkReader | undefined
  /** Of every stream with bytes. */
  readonly category?: string | undefined
  /** Whether a file is being written with what is sent: it is passed over. */
  isOutput(file: BigIntStats): boolean
  /** Told when something asked for has no stream, or lost its tail: the transmission is complete all the same. */
  onMissing(): void
}

/**
 * The streams of all operands. What cannot be read is noted and left behind.
 * @throws {ToolError} when there is nothing else to send
 */
export async function* catFiles({ operands, ...given }: CatFiles): AsyncGenerator<Batch> {
  const session = createSession(given)
  if (!session.attributes && process.platform === 'linux') noteNoAttributes(session)
  const raw = rawArguments(operands)
  if (operands.length === 1) probe(operands[0]!, raw[0])
  for (const [index, operand] of operands.entries()) {
    if (given.interrupted.aborted) break
    yield* catOperand(session, operand, raw[index])
  }
  yield session.outbox.take()
  if (session.streams === 0 && !given.interrupted.aborted)
    throw new ToolError(
      EXIT.noInput,
      operands.length > 1 ? 'none of the operands could be read' : 'nothing read',
    )
}

function createSession(given: Omit<CatFiles, 'operands'>): Session {
  const pseudo = new Map<bigint, boolean>()
  return {
    ...given,
    outbox: createOutbox(given.batchesAlive),
    stopped: new Promise((resolve) => given.interrupted.addEventListener('abort', () => resolve(undefined))),
    streams: 0,
    attributes: openExtendedAttributes(),
    isPseudo(device) {
      const known = pseudo.get(device) ?? pseudoFileSystem(device) !== undefined
      pseudo.set(device, known)
      return known
    },
  }
}

function noteNoAttributes(session: Session): void {
  const message = 'extended attributes are not read: koffi is not installed'
  noteTransmission(session, 'info', message)
  session.log.verbose(message)
}

async function* catOperand(session: Session, operand: string, raw?: Buffer): AsyncGenerator<Batch> {
  if (operand === '-') {
    if (session.sampling) skip(session, Buffer.from('standard input'), READ_ONCE)
    else yield* readPipe(session, Buffer.from('stdin'), 0)
    return
  }
  const named = find(operand, raw)
  if (named.stat || !isPattern(operand) || !isAbsent(named.error)) {
    yield* catNamed(session, named)
    return
  }
  let matches = 0
  for (const path of expand(operand, (directory, error) => miss(session, directory, error))) {
    if (session.interrupted.aborted) return
    matches++
    yield* catNamed(session, look(path))
  }
  if (matches === 0) miss(session, Buffer.from(operand), new Error('matches nothing'))
}

/** What the user named: a directory with all below it, a device, a FIFO; a link was followed. */
async function* catNamed(session: Session, named: Found): AsyncGenerator<Batch> {
  const { path, stat, error } = named
  if (!stat) miss(session, path, error)
  else if (stat.isDirectory()) {
    for (const found of walk(path, stat)) {
      if (session.interrupted.aborted) return
      yield* catFound(session, found)
    }
  } else if (stat.isBlockDevice()) yield* catDevice(session, path, stat)
  else if (stat.isFIFO() && session.sampling) skip(session, path, READ_ONCE)
  else if (stat.isFIFO()) yield* readFifo(session, path)
  else if (stat.isCharacterDevice() || stat.isSocket()) miss(session, path, unreadableKind(stat))
  else yield* catFile(session, path, stat, 'named')
}

async function* catFound(session: Session, { path, stat, error, skipped }: Found): AsyncGenerator<Batch> {
  if (!stat) miss(session, path, error)
  else if (skipped !== undefined) skip(session, path, skipped)
  else if (stat.isDirectory()) sendFolder(session, path, stat, error)
  else yield* catFile(session, path, stat, 'walked')
}

async function* catFile(
  session: Session,
  path: Buffer,
  stat: BigIntStats,
  origin: Origin,
): AsyncGenerator<Batch> {
  if (stat.isSymbolicLink()) sendLink(session, path, stat)
  else if (session.isOutput(stat)) skip(session, path, 'the output of this command')
  else yield* readFile(session, path, stat, origin)
}

async function* catDevice(session: Session, path: Buffer, stat: BigIntStats): AsyncGenerator<Batch> {
  let device: BlockDevice
  try {
    device = lookUpDevice(path, stat)
  } catch (error) {
    miss(session, path, error)
    return
  }
  yield* readDevice(session, path, stat, device)
}

function sendFolder(session: Session, path: Buffer, stat: BigIntStats, error: unknown): void {
  const body: StreamBody = { ...pathStreamName(path), kind: 'folder' }
  const frames = beginStream(session, body, describeFolder(path, stat, attributesOf(session, path, path)))
  if (error === undefined) endStream(session, frames)
  else endUnread(session, frames, path, 0n, error)
}

function sendLink(session: Session, path: Buffer, stat: BigIntStats): void {
  let target: Buffer
  try {
    target = withinReach(path, (at) => fs.readlinkSync(at, 'buffer'))
  } catch (error) {
    if (!isDamage(error)) throw error
    miss(session, path, error)
    return
  }
  const bytes = isUtf8(target) ? {} : { targetBytes: target.toString('base64') }
  const properties = { target: displayPath(target), ...bytes }
  const body: StreamBody = { ...pathStreamName(path), kind: 'link', properties }
  endStream(
    session,
    beginStream(session, body, describeLink(path, stat, target, attributesOf(session, path, path))),
  )
}

function unreadableKind(stat: BigIntStats): ToolError {
  return new ToolError(
    EXIT.data,
    stat.isSocket() ? 'a socket' : 'a character device, whose end is not known',
    {
      hint: 'what a program reads from it can be piped: … | file-cat -',
    },
  )
}

/**
 * Fails before the first frame where a single operand can give none.
 * @throws {ToolError}
 */
function probe(operand: string, raw?: Buffer): void {
  if (operand === '-') return
  const named = find(operand, raw)
  if (named.stat === undefined) {
    if (isPattern(operand) && isAbsent(named.error)) return
    throw unusable(named)
  }
  if (named.stat.isCharacterDevice() || named.stat.isSocket())
    throw unusable({ ...named, error: unreadableKind(named.stat) })
  if (!named.stat.isFile() && !named.stat.isDirectory() && !named.stat.isBlockDevice()) return
  try {
    const flags = fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0)
    fs.closeSync(withinReach(named.path, (at) => fs.openSync(at, flags)))
  } catch (error) {
    throw unusable({ ...named, error })
  }
}

function unusable({ path, error }: Found): ToolError {
  const { exitCode, hint } = asToolError(error)
  return new ToolError(exitCode, `${displayPath(path)}: ${reasonOf(error)}`, {
    ...(hint !== undefined && { hint }),
    cause: error,
  })
}

/** What an operand names, a link followed; a link that leads nowhere is itself. */
const find = (operand: string, raw?: Buffer): Found => look(raw ?? Buffer.from(operand))

function look(path: Buffer): Found {
  try {
    return { path, stat: withinReach(path, (at) => fs.statSync(at, { bigint: true })) }
  } catch (error) {
    try {
      return { path, stat: withinReach(path, (at) => fs.lstatSync(at, { bigint: true })) }
    } catch {
      return { path, error }
    }
  }
}
