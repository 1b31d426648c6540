import { EXIT, ToolError } from '../cli/exit.js'
import { asToolError, reasonOf } from '../cli/failure.js'
import { spaceFor } from '../cli/space.js'
import type { Context, Tool } from '../cli/tool.js'
import { openTree, reasonOfOne } from '../cli/tree.js'
import { showPath } from '../cli/tree-path.js'
import { openRestored, type RestoredStream } from './files/restored-stream.js'
import { safePath } from './files/safe-path.js'
import { type Receiver, receive } from './receive.js'
import { admitStream } from './sink-output.js'

/** files-sink: every stream to a file below a folder. */
export const tool: Tool = {
  name: 'files-sink',
  role: 'sink',
  usage: '-C DIR',
  summary: 'write every stream to a file below a folder; folders and links as they were',
  options: { directory: { short: 'C', value: 'DIR', help: 'the folder; created where it is missing' } },
  operands: [0, 0],
  run(context) {
    const root = context.options.value('directory')
    if (root === undefined) throw new ToolError(EXIT.usage, '-C DIR is missing')
    return receive(context, filesBelow(root, context))
  },
}

function filesBelow(root: string, { options, log }: Pick<Context, 'options' | 'log'>): Receiver {
  const space = spaceFor(root, options, { folder: root })
  const tree = openTree(root, options.flag('truncate'), (message) => log.warn(message))
  let transmission = 0
  let open: RestoredStream | undefined
  let missing = false

  /** One file that cannot be written is no reason to lose the others. @returns undefined when it could not */
  function guarded<T>(name: string, act: () => T): T | undefined {
    try {
      return act()
    } catch (error) {
      const reason = reasonOfOne(error)
      missing = true
      log.error(`${name}: ${reason}`)
      return undefined
    }
  }

  return {
    open({ body }) {
      const path = safePath(body)
      const name = showPath(path)
      if (path.changed) log.warn(`${body.name}: written as ${name}`)
      admitStream(space, body, tree.touched, log)
      const stream = guarded(name, () => openRestored({ tree, path, log, transmission }, body))
      if (!stream) return undefined
      open = stream
      let whole = true
      const unlessFailed = (act: () => void) => {
        const done = () => {
          act()
          return true
        }
        whole &&= guarded(name, done) ?? false
      }
      return {
        data: (frame) =>
          unlessFailed(() => {
            space.take(name, frame.length)
            stream.data(frame)
          }),
        fill: (frame) => unlessFailed(() => stream.fill(frame)),
        meta: (frame) => stream.meta(frame),
        close({ body: { status } }) {
          open = undefined
          guarded(name, () => stream.end(whole && status === 'complete'))
        },
      }
    },
    transmission(frame) {
      if (frame.type === 'start') transmission++
    },
    async finish(outcome) {
      open?.end(false)
      try {
        tree.finish((path, error) => {
          missing = true
          log.error(`${path}: ${reasonOf(error)}`)
        })
      } catch (error) {
        throw asToolError(error)
      }
      if (missing) outcome.unreadable = true
      return tree.touched ? root : undefined
    },
  }
}
