import type { Outcome, Output } from '../cli/output.js'
import type { Context, Tool } from '../cli/tool.js'
import { type Archive, createArchive } from '../formats/aff4/zip/archive.js'
import { hasBytes } from '../frames/streams.js'
import { addReadable, NO_FACTS } from './files/restored-facts.js'
import { type Receiver, receive, type StreamReceiver } from './receive.js'
import { admitStream, sinkOutput } from './sink-output.js'
import { createNaming } from './zip/member-names.js'
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
  let writeFailed = false
  async function watched(writing: Promise<void>): Promise<void> {
    try {
      await writing
    } catch (error) {
      writeFailed = true
      throw error
    }
  }
  const archive: Archive = createArchive({
    name: output.name,
    get position() {
      return output.position
    },
    write: (...pieces) => watched(output.write(...pieces)),
    rewrite: output.seekable ? (offset, bytes) => watched(output.writeAt(offset, bytes)) : undefined,
  })
  const naming = createNaming()
  let open: ZipFile | undefined
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

  /** After a failed write: what is whole stays, in the room that the rest took. */
  async function salvage(): Promise<boolean> {
    if (!output.seekable) return false
    await output.truncate(archive.intact)
    return true
  }

  return {
    open({ body }) {
      admitStream(output.space, body, touched, log)
      touched = true
      if (body.kind === 'folder') return folder(body.name)
      if (!hasBytes(body)) {
        links++
        return undefined
      }
      const names = naming.file(body.name)
      if (names.changed) log.warn(`${body.name}: written as ${names.name}`)
      const file = openZipFile(archive, body, names, output.name)
      open = file
      return {
        data: file.data,
        fill: file.fill,
        meta: file.meta,
        async close({ body: { status } }) {
          await file.end(status === 'complete')
          if (status === 'complete') naming.whole(names)
          open = undefined
        },
      }
    },
    async finish(outcome) {
      if (!touched) return output.finish(outcome)
      if (!writeFailed) await open?.end(false)
      else if (!(await salvage())) return output.finish(outcome)
      await archive.finish(labelOf(outcome))
      if (links > 0) log.info(`${links} links are not in the archive: they hold no bytes`)
      return output.finish(outcome)
    },
  }
}

const LONGEST_LABEL = 1000

/** What the archive's comment says. */
function labelOf({ status, error }: Outcome): string {
  if (status === 'complete') return ''
  return `incomplete: ${status}: ${error ?? 'no reason given'}`.slice(0, LONGEST_LABEL)
}
