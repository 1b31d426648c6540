import { launch } from '../../../src/cli/launch.js'
import { openOutput } from '../../../src/cli/output.js'
import type { Tool } from '../../../src/cli/tool.js'
import { receive } from '../../../src/sinks/receive.js'

const tool: Tool = {
  name: 'sample-sink',
  role: 'sink',
  usage: 'OUT',
  summary: 'writes the bytes of all streams one behind the other, and nothing else',
  operands: [1, 1],
  options: { hang: { help: 'wait for a promise that nobody settles' }, ignore: { help: 'take no stream' } },
  run: (context) => {
    const { operands, options } = context
    const output = openOutput(operands[0]!, options.flag('truncate'))
    return receive(context, {
      async open() {
        if (options.flag('ignore')) return undefined
        if (options.flag('hang')) await new Promise(() => {})
        await output.write()
        return { data: (frame) => output.write(frame.payload), fill() {}, close() {} }
      },
      finish: (outcome) => output.finish(outcome),
    })
  },
}

void launch(Promise.resolve({ tool }))
