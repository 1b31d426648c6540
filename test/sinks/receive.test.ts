import test from 'ava'
import { type OptionTable, parseArguments } from '../../src/cli/arguments.js'
import { type ExitCode, ToolError } from '../../src/cli/exit.js'
import type { Log } from '../../src/cli/messages.js'
import type { Outcome } from '../../src/cli/output.js'
import type { Context, Io } from '../../src/cli/tool.js'
import type { CloseBody, Frame, Status } from '../../src/frames/frame.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { type Receiver, receive } from '../../src/sinks/receive.js'

const OPTIONS: OptionTable = {
  stream: { value: 'NAME', repeat: true, help: '' },
  expect: { value: 'N', help: '' },
}

interface Ended {
  exit: ExitCode | undefined
  error: ToolError | undefined
  outcome: Outcome | undefined
  /** Names of streams that were opened, and of those closed. */
  opened: string[]
  closed: string[]
  messages: string[]
}

interface Faults {
  read?: unknown
  data?: unknown
  finish?: unknown
}

/** What `receive` makes of frames, and of failures on the way. */
async function received(frames: Frame[], words: string[] = [], faults: Faults = {}): Promise<Ended> {
  const ended: Ended = {
    exit: undefined,
    error: undefined,
    outcome: undefined,
    opened: [],
    closed: [],
    messages: [],
  }
  const silent = () => {}
  const log: Log = {
    error: (message) => void ended.messages.push(message),
    warn: silent,
    info: silent,
    verbose: silent,
    debug: silent,
    progress: silent,
    clearProgress: silent,
  }
  const io = {
    async *frames() {
      for (const frame of frames) yield [frame]
      if (faults.read) throw faults.read
    },
  } as unknown as Io
  const context: Context = { ...parseArguments(words, OPTIONS), log, io }
  const receiver: Receiver = {
    open({ body: { name } }) {
      ended.opened.push(name)
      return {
        data() {
          if (faults.data) throw faults.data
        },
        fill: silent,
        close: () => void ended.closed.push(name),
      }
    },
    async finish(outcome) {
      ended.outcome = outcome
      if (faults.finish) throw faults.finish
      return 'out.partial.raw'
    },
  }
  try {
    ended.exit = await receive(context, receiver)
  } catch (error) {
    ended.error = error as ToolError
  }
  return ended
}

const start: Frame = { type: 'start', stream: 0, time: 0n, body: { format: 1, programs: [] } }
const data: Frame = {
  type: 'data',
  stream: 1,
  time: 0n,
  offset: 0n,
  length: 4n,
  codec: 'none',
  padded: false,
  payload: Buffer.from('data'),
}
const unreadable: Frame = { type: 'fill', stream: 1, time: 0n, offset: 4n, length: 4n, fill: 'unreadable' }

function stream(name: string, status: CloseBody['status'] = 'complete', inside: Frame[] = [data]): Frame[] {
  return [
    { type: 'stream', stream: 1, time: 0n, body: { name, kind: 'map' } },
    ...inside,
    { type: 'close', stream: 1, time: 0n, body: { status, bytes: 4 } },
  ]
}
function transmission(parts: Frame[][], status: Status = 'complete', error?: string): Frame[] {
  const body = { status, frames: 0, bytes: 0, ...(error !== undefined && { error }) }
  return [start, ...parts.flat(), { type: 'end', stream: 0, time: 0n, body }]
}

test('a complete transmission is complete', async (t) => {
  const { exit, outcome, opened, closed, messages } = await received(transmission([stream('a'), stream('b')]))
  t.is(exit, 0)
  t.deepEqual(outcome, { status: 'complete', unreadable: false })
  t.deepEqual([opened, closed, messages], [['a', 'b'], ['a', 'b'], []])
})

test('unreadable ranges and failed streams are told by the status', async (t) => {
  for (const part of [stream('a', 'complete', [data, unreadable]), stream('a', 'failed')]) {
    const { exit, outcome } = await received(transmission([part]))
    t.is(exit, 2)
    t.deepEqual(outcome, { status: 'complete', unreadable: true })
  }
})

test('what happens to streams that are not wanted does not count', async (t) => {
  const parts = [stream('a', 'complete', [data, unreadable]), stream('b'), stream('c', 'interrupted')]
  const { exit, opened } = await received(transmission(parts), ['--stream', 'b'])
  t.is(exit, 0)
  t.deepEqual(opened, ['b'])
})

for (const status of ['interrupted', 'failed', 'truncated'] as const)
  test(`END ${status} is told, and kept in the outcome`, async (t) => {
    const { exit, outcome, messages } = await received(transmission([stream('a')], status, 'why'))
    t.is(exit, 3)
    t.deepEqual(outcome, { status, error: 'why', unreadable: false })
    t.deepEqual(messages, ['why; 4 B kept in out.partial.raw'])
  })

test('a stream that was interrupted is no complete one, whatever END says', async (t) => {
  const { exit, outcome } = await received(transmission([stream('a', 'interrupted')]))
  t.is(exit, 3)
  t.is(outcome?.status, 'interrupted')
})

test('the first thing that went wrong names the outcome, also when all is well later', async (t) => {
  const { exit, outcome } = await received([
    ...transmission([stream('a')], 'failed', 'first'),
    ...transmission([stream('b')], 'truncated', 'second'),
    ...transmission([stream('c')]),
  ])
  t.is(exit, 3)
  t.deepEqual(outcome, { status: 'failed', error: 'first', unreadable: false })
})

test('a stream that was asked for and never came is missed', async (t) => {
  const { exit, outcome } = await received(transmission([stream('a')]), ['--stream=a', '--stream=b'])
  t.is(exit, 3)
  t.is(outcome?.error, 'no stream is called b')
})

test('--expect counts transmissions', async (t) => {
  const two = [...transmission([stream('a')]), ...transmission([stream('b')])]
  t.is((await received(two, ['--expect=2'])).exit, 0)
  for (const number of [1, 3]) {
    const { exit, outcome } = await received(two, [`--expect=${number}`])
    t.is(exit, 3)
    t.deepEqual(outcome, {
      status: 'truncated',
      error: `2 transmissions came, not ${number}`,
      unreadable: false,
    })
  }
})

test('a failure is told after what came before has been finished, with where that is', async (t) => {
  const full = new ToolError(74, 'out.raw: no space left on device')
  const cases: [Faults, number, string][] = [
    [{ read: new FrameError('data: no bytes', 16n) }, 65, 'data: no bytes (at 0x10)'],
    [{ data: full }, 74, full.message],
    [{ data: new TypeError('defect') }, 70, 'internal error: defect'],
  ]
  for (const [faults, exit, message] of cases) {
    const { error, outcome } = await received([start, ...stream('a').slice(0, 2)], [], faults)
    t.deepEqual([error?.exitCode, error?.message], [exit, message])
    t.deepEqual(outcome, { status: 'failed', error: message, unreadable: false })
    if (exit !== 70) t.is(error?.hint, 'what came before is in out.partial.raw')
  }
})

test('where finishing fails as well, the first failure is told', async (t) => {
  const full = new ToolError(74, 'no space')
  const { error } = await received(transmission([stream('a')]), [], {
    data: new FrameError('damaged'),
    finish: full,
  })
  t.deepEqual([error?.exitCode, error?.message, error?.hint], [65, 'damaged', undefined])
  const only = await received(transmission([stream('a')]), [], { finish: full })
  t.deepEqual([only.error?.exitCode, only.error?.message], [74, 'no space'])
})
