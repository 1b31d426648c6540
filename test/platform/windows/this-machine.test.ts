import test from 'ava'
import { EXIT, ToolError } from '../../../src/cli/exit.js'
import { win32ForThisMachine } from '../../../src/platform/windows/this-machine.js'

test('on another system than Windows its drivers are said to be missing', (t) => {
  const error = t.throws(win32ForThisMachine, { instanceOf: ToolError })
  t.is(error.exitCode, EXIT.unavailable)
  t.is(error.message, 'this is not Windows, and its drivers are not here')
})
