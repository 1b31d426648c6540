import fs from 'node:fs'
import { EXIT, ToolError } from '../cli/exit.js'
import { openOutput } from '../cli/output.js'
import { refuseSameFile } from '../cli/same-file.js'
import { SECRET_OPTIONS, secretsOf } from '../cli/secret.js'
import { showSize } from '../cli/sizes.js'
import type { Context, Tool } from '../cli/tool.js'
import { VERSION } from '../cli/version.js'
import type { Run } from '../formats/address-space.js'
import { undoAppend } from '../formats/aff4/append-guard.js'
import { describeObject, isComplete, type RecoveredObject } from '../formats/aff4/recover/outcome.js'
import { recoverVolume } from '../formats/aff4/recover/recover.js'
import type { ByteSource } from '../formats/byte-source.js'
import { openFileSource } from '../formats/file-source.js'
import { createRest } from './rest.js'

/** aff4-recover: a sound volume of what is whole in a damaged one. */
export const tool: Tool = {
  name: 'aff4-recover',
  role: 'report',
  usage: 'VOLUME OUT.aff4 | --undo VOLUME',
  summary: 'make a new AFF4 volume of what is whole in a damaged one',
  options: {
    truncate: { short: 't', help: 'replace what is there' },
    undo: { help: 'cut off what an append has left that did not finish' },
    ...SECRET_OPTIONS,
  },
  operands: [1, 2],
  run: (context) => (context.options.flag('undo') ? undo(context) : recover(context)),
}

/** Ranges that a message names. */
const MOST_NAMED = 10
const EVERY_MS = 500

async function undo({ operands, options, log }: Context) {
  const [path, another] = operands
  if (another !== undefined) throw new ToolError(EXIT.usage, `${another}: --undo takes one volume`)
  if (options.flag('truncate'))
    throw new ToolError(EXIT.usage, '--undo writes no other file: -t is for nothing')
  const { length, cut } = await undoAppend(path!)
  log.info(`${path}: as it was before: ${length} bytes, ${cut} cut off`)
  return EXIT.complete
}

async function recover({ operands, options, log, io }: Context) {
  const [path, out] = operands
  if (out === undefined) throw new ToolError(EXIT.usage, 'an operand is missing: where the new volume goes')
  refuseOthers(path!, out)
  const source = interruptible(openFileSource(path!), io.interrupted)
  const output = openOutput(out, options.flag('truncate'))
  let shown = performance.now()
  const progress = (step: 'search' | 'copy', bytes: bigint) => {
    if (performance.now() - shown < EVERY_MS) return
    shown = performance.now()
    const words = `${step === 'search' ? 'searched' : 'copied'} ${showSize(bytes)} of ${showSize(source.size)}`
    log.progress(words, { step, bytes: Number(bytes), size: Number(source.size) })
  }
  const secrets = secretsOf(options)
  const recovery = await recoverVolume(source, output, { tool: `pmem ${VERSION}`, progress, secrets }).catch(
    async (error) => {
      await output.finish({ status: 'failed', unreadable: false })
      throw error
    },
  )
  log.clearProgress()
  if (recovery.decrypted) log.warn(`${out}: what was encrypted in ${path} is not encrypted here`)
  for (const remark of recovery.remarks) log.warn(`${path}: ${remark}`)
  for (const object of recovery.objects) if (!isComplete(object)) tell(log, object)
  const name = await output.finish({ status: 'complete', unreadable: false })
  const kept = recovery.objects.reduce((sum, object) => sum + object.kept, 0n)
  const count = `${recovery.objects.length} ${recovery.objects.length === 1 ? 'object' : 'objects'}`
  log.info(`${name}: ${count}, ${showSize(kept)}; ${recovery.complete ? 'nothing is missing' : 'incomplete'}`)
  return recovery.complete ? EXIT.complete : EXIT.incomplete
}

/** A source whose reads let signals come through, and fail after one. */
function interruptible(source: ByteSource, interrupted: AbortSignal): ByteSource {
  const rest = createRest(interrupted)
  return {
    ...source,
    async read(offset, length) {
      await rest()
      return source.read(offset, length)
    },
  }
}

function tell(log: Context['log'], object: RecoveredObject): void {
  log.warn(`${object.name}: ${describeObject(object)}`)
  const range = ({ start, length }: Run) => `0x${start.toString(16)}-0x${(start + length).toString(16)}`
  for (const run of object.lost.slice(0, MOST_NAMED)) log.warn(`${object.name}: lost ${range(run)}`)
  if (object.lost.length > MOST_NAMED)
    log.warn(`${object.name}: and ${object.lost.length - MOST_NAMED} more ranges, which the new volume names`)
  for (const run of object.unsure) log.verbose(`${object.name}: no checksum vouches for ${range(run)}`)
}

/** Members are looked for all over the file, and read again: a pipe brings its bytes once, a device tells no size. */
function refuseOthers(path: string, out: string): void {
  const input = fs.statSync(path, { bigint: true })
  if (!input.isFile())
    throw new ToolError(EXIT.noInput, `${path}: not a regular file`, { hint: 'copy its bytes to one' })
  refuseSameFile(out, fs.statSync(out, { bigint: true, throwIfNoEntry: false }), input)
}
