import { ToolError } from '../cli/exit.js'
import { asToolError } from '../cli/failure.js'
import type { Outcome, Output } from '../cli/output.js'
import type { Context, Tool } from '../cli/tool.js'
import { type Archive, createArchive } from '../formats/aff4/zip/archive.js'
import { hasBytes } from '../frames/streams.js'
import { addReadable, NO_FACTS } from './files/restored-facts.js'
import { type Receiver, receive, type StreamReceiver } from './receive.js'
import { admitStream, sinkOutput } from './sink-output.js'
import { watchSink } from './watched-sink.js'
import { createNaming, type MemberNames } from './zip/member-names.js'
import { openZipFile, type ZipFile } from './zip/zip-file.js'

/** zip-sink: every stream as a plain file in a plain ZIP archive. */
export const tool: Tool = {
  name: 'zip-sink',
  role: 'sink',
  usage: 'OUT.zip',
  summary: 'write every stream as a plain file in a plain ZIP archive',
  options: {},
  operands: [1, 1],
  run(context) {
    const output = sinkOutput(context)
    return receive(context, zipArchive(output, context))
  },
}

function zipArchive(output: Output, { log }: Pick<Context, 'log'>): Receiver {
  const sink = watchSink(output)
  const archive: Archive = createArchive({
    name: output.name,
    get position() {
      return output.position
    },
    write: sink.write,
    seekable: output.seekable ? { rewrite: sink.writeAt, truncate: output.truncate } : undefined,
  })
  const naming = createNaming()
  let open: { file: ZipFile; names: MemberNames; stream: string } | undefined
  let links = 0
  let touched = false

  function folder(name: string): StreamReceiver {
    let facts = NO_FACTS
    return {
      data() {},
      fill() {},
      meta({ turtle }) {
        facts = addReadable(facts, turtle)
      },
      async close() {
        const path = naming.folder(name)
        const modified = facts.times?.written
        const known = { mode: facts.mode ?? 0o700, ...(modified !== undefined && { modified }) }
        if (path !== undefined) await archive.addFolder(path, known)
      },
    }
  }

  const keepRoom = () => sink.hold(archive.finishBytes)

  async function endOpen(complete: boolean): Promise<void> {
    if (!open) return
    const { file, names, stream } = open
    const listed = await file.end(complete)
    if (complete) naming.whole(names)
    if (!listed)
      log.error(`${stream}: is not whole: in a pipe it keeps its name, and the directory leaves it out`)
    open = undefined
  }

  /** After a failed write: what came before it stays, in the room that the rest took and that was kept for the end. */
  async function salvage(outcome: Outcome): Promise<void> {
    try {
      const kept = await archive.salvage(open?.names.partial ?? '', labelOf(outcome))
      if (open) log.error(`${open.stream}: ${lossOf(kept, open.names.partial)}`)
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      log.error(`${output.path}: is left without a directory: ${error.message}`)
    }
  }

  /** Closes what is open, and writes the end. @returns what has failed only there */
  async function complete(outcome: Outcome): Promise<unknown> {
    let failure: unknown
    sink.release()
    if (!sink.failed)
      try {
        await endOpen(false)
        await archive.finish(labelOf(outcome))
      } catch (error) {
        failure = error
        Object.assign(outcome, { status: 'failed', error: asToolError(error).message })
      }
    if (sink.failed && output.seekable) await salvage(outcome)
    return failure
  }

  return {
    open({ body }) {
      admitStream(output.space, body, touched, log)
      touched = true
      keepRoom()
      if (body.kind === 'folder') return folder(body.name)
      if (!hasBytes(body)) {
        links++
        return undefined
      }
      const names = naming.file(body.name)
      if (names.changed) log.warn(`${body.name}: written as ${names.name}`)
      const file = openZipFile(archive, body, names, output.name)
      open = { file, names, stream: body.name }
      return {
        data: file.data,
        fill: file.fill,
        meta: file.meta,
        close: ({ body: { status } }) => endOpen(status === 'complete'),
      }
    },
    async finish(outcome) {
      if (!touched) return output.finish(outcome)
      const failure = await complete(outcome)
      if (links > 0) log.info(`${links} links are not in the archive: they hold no bytes`)
      const kept = await output.finish(outcome)
      if (failure !== undefined) throw failure
      return kept
    },
  }
}

const lossOf = (kept: bigint, name: string): string =>
  kept > 0n
    ? `its first ${kept} bytes are kept as ${name}; what came behind them is lost`
    : 'none of it is kept'

const LONGEST_LABEL = 1000

/** What the archive's comment says. */
function labelOf({ status, error }: Outcome): string {
  if (status === 'complete') return ''
  return `incomplete: ${status}: ${error ?? 'no reason given'}`.slice(0, LONGEST_LABEL)
}
