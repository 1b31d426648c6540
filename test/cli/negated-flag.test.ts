import test from 'ava'
import { parseArguments } from '../../src/cli/arguments.js'

test('a flag called no-… is set only when it is given', (t) => {
  const table = { 'no-collect': { help: 'leave out' } }
  t.false(parseArguments([], table, [0, 0]).options.flag('no-collect'))
  t.true(parseArguments(['--no-collect'], table, [0, 0]).options.flag('no-collect'))
})
