import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { EXIT, ToolError } from '../../../src/cli/exit.js'
import { launch } from '../../../src/cli/launch.js'
import { parseSize } from '../../../src/cli/sizes.js'
import type { Tool } from '../../../src/cli/tool.js'
import { formatAddress } from '../../../src/frames/address.js'
import type { Frame, Frames } from '../../../src/frames/frame.js'
import { bytesAt } from './bytes.js'

// A source whose every move a test decides. Its bytes are told by their addresses: see bytes.ts.

const tool: Tool = {
  name: 'sample-source',
  role: 'source',
  usage: '[NAME]',
  summary: 'sends one image',
  operands: [0, 1],
  options: {
    size: { value: 'SIZE', help: 'of the image' },
    chunk: { value: 'SIZE', help: 'of each frame' },
    pause: { value: 'MS', help: 'between two frames' },
    stall: { value: 'SIZE', help: 'wait for ever at this address' },
    mark: { value: 'SIZE', help: 'make a file `marked` at this address' },
    fail: { value: 'SIZE', help: 'fail at this address' },
    break: { value: 'SIZE', help: 'have a defect at this address' },
    kill: { value: 'SIZE', help: 'kill the process of --victim at this address' },
    victim: { value: 'FILE', help: 'holds the id of a process; without it the source kills itself' },
    unreadable: { help: 'begin with a page that cannot be read' },
    map: { help: 'send a map' },
    announce: { help: 'tell the ranges of the map ahead' },
  },
  run: ({ io, options, operands }) => {
    const number = (name: string, otherwise: string) => Number(parseSize(options.value(name) ?? otherwise))
    return io.transmit(
      image({
        name: operands[0] ?? 'image',
        kind: options.flag('map') ? 'map' : 'image',
        announced: options.flag('announce'),
        size: number('size', '1M'),
        chunk: number('chunk', '64k'),
        pause: number('pause', '0'),
        stall: number('stall', '1t'),
        mark: number('mark', '1t'),
        fail: number('fail', '1t'),
        break: number('break', '1t'),
        kill: number('kill', '1t'),
        victim: options.value('victim'),
        unreadable: options.flag('unreadable'),
      }),
    )
  },
}

interface Plan {
  name: string
  kind: 'image' | 'map'
  announced: boolean
  size: number
  chunk: number
  pause: number
  stall: number
  mark: number
  fail: number
  break: number
  kill: number
  victim: string | undefined
  unreadable: boolean
}

async function* image(plan: Plan): Frames {
  if (plan.fail === 0) throw new ToolError(EXIT.noInput, 'the sample: is not there')
  const { name, kind, size } = plan
  const ofStream = { stream: 1, time: 0n }
  const ends = formatAddress(BigInt(size))
  const ranges: [string, string][] = [[formatAddress(0n), ends]]
  const body = { name, kind, size: ends, ...(plan.announced && { ranges }) }
  yield [{ type: 'stream', ...ofStream, body }]
  let at = 0
  if (plan.unreadable) {
    yield [{ type: 'fill', ...ofStream, offset: 0n, length: 4096n, fill: 'unreadable' }]
    at = 4096
  }
  while (at < size) {
    if (at <= plan.mark && plan.mark < at + plan.chunk) writeFileSync('marked', '')
    if (at >= plan.stall) await setTimeout(2 ** 30)
    if (at >= plan.fail) throw new ToolError(EXIT.io, `the sample: broken at ${formatAddress(BigInt(at))}`)
    if (at >= plan.break) throw new TypeError('a defect of the sample')
    if (at <= plan.kill && plan.kill < at + plan.chunk) kill(plan.victim)
    if (plan.pause > 0) await setTimeout(plan.pause)
    const length = Math.min(plan.chunk, size - at)
    const payload = bytesAt(at, length)
    const data: Frame = {
      type: 'data',
      ...ofStream,
      offset: BigInt(at),
      length: BigInt(length),
      codec: 'none',
      padded: false,
      payload,
    }
    yield [data]
    at += length
  }
  yield [{ type: 'close', ...ofStream, body: { status: 'complete', bytes: size } }]
}

function kill(victim: string | undefined): void {
  process.kill(victim ? Number(readFileSync(victim, 'latin1')) : process.pid, 'SIGKILL')
}

void launch(Promise.resolve({ tool }))
