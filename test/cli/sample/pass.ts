import { launch } from '../../../src/cli/launch.js'
import type { Tool } from '../../../src/cli/tool.js'

const tool: Tool = {
  name: 'sample-pass',
  role: 'transform',
  usage: '',
  summary: 'forwards frames as they are',
  operands: [0, 0],
  options: {},
  run: ({ io }) => io.send(io.frames()),
}

void launch(Promise.resolve({ tool }))
