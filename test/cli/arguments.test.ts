import test from 'ava'
import fc from 'fast-check'
import { type OptionTable, parseArguments } from '../../src/cli/arguments.js'
import { ToolError } from '../../src/cli/exit.js'

const TABLE: OptionTable = {
  help: { short: 'h', help: '' },
  truncate: { short: 't', help: '' },
  verbose: { short: 'v', help: '' },
  'no-collect': { help: '' },
  jobs: { short: 'j', value: 'N', help: '' },
  directory: { short: 'C', value: 'DIR', help: '' },
  stream: { value: 'NAME', repeat: true, help: '' },
  range: { value: 'RANGE', help: '' },
}

/** What was understood, as one object. */
function parsed(...words: string[]) {
  const { options, operands } = parseArguments(words, TABLE)
  const given = Object.keys(TABLE).flatMap((name): [string, unknown][] => {
    if (TABLE[name]!.value === undefined) return options.flag(name) ? [[name, true]] : []
    return options.values(name).length > 0 ? [[name, options.values(name)]] : []
  })
  return { ...Object.fromEntries(given), _: operands }
}

const UNDERSTOOD: [string[], object][] = [
  [[], { _: [] }],
  [['a', 'b'], { _: ['a', 'b'] }],
  [['-t', 'a'], { truncate: true, _: ['a'] }],
  [['a', '-t'], { truncate: true, _: ['a'] }],
  [['-tv', 'a'], { truncate: true, verbose: true, _: ['a'] }],
  [['-j4'], { jobs: ['4'], _: [] }],
  [['-j', '4'], { jobs: ['4'], _: [] }],
  [['-j=4'], { jobs: ['4'], _: [] }],
  [['-vj4'], { verbose: true, jobs: ['4'], _: [] }],
  [['-tvj', '4', 'a'], { truncate: true, verbose: true, jobs: ['4'], _: ['a'] }],
  [['-Cdir'], { directory: ['dir'], _: [] }],
  [['-C/tmp/x'], { directory: ['/tmp/x'], _: [] }],
  [['-Cthv'], { directory: ['thv'], _: [] }],
  [['-C', '-'], { directory: ['-'], _: [] }],
  [['--jobs', '4'], { jobs: ['4'], _: [] }],
  [['--jobs=4'], { jobs: ['4'], _: [] }],
  [['--jobs=0x10'], { jobs: ['0x10'], _: [] }],
  [['--jobs', '007'], { jobs: ['007'], _: [] }],
  [['--range=-5'], { range: ['-5'], _: [] }],
  [['--range=a=b\nc'], { range: ['a=b\nc'], _: [] }],
  [['--range=false'], { range: ['false'], _: [] }],
  [['--stream', 'a', '--stream=b'], { stream: ['a', 'b'], _: [] }],
  [['--stream', '1e3', '--stream=0x10'], { stream: ['1e3', '0x10'], _: [] }],
  [['--no-collect'], { 'no-collect': true, _: [] }],
  [['--no-collect', 'true'], { 'no-collect': true, _: ['true'] }],
  [['-t', 'true'], { truncate: true, _: ['true'] }],
  [['--verbose', 'false'], { verbose: true, _: ['false'] }],
  [['-'], { _: ['-'] }],
  [['-t', '-'], { truncate: true, _: ['-'] }],
  [['--', '-t', '--unknown', '--'], { _: ['-t', '--unknown', '--'] }],
  [['-t', '--', '-v'], { truncate: true, _: ['-v'] }],
  [
    ['0x10', '007', '1e3', '.5', '__proto__', 'constructor'],
    { _: ['0x10', '007', '1e3', '.5', '__proto__', 'constructor'] },
  ],
]
for (const [words, expected] of UNDERSTOOD)
  test(`arguments are understood: ${JSON.stringify(words)}`, (t) => t.deepEqual(parsed(...words), expected))

const REFUSED: [string[], string][] = [
  [['--unknown'], '--unknown: unknown option'],
  [['--collect'], '--collect: unknown option'],
  [['--no-truncate'], '--no-truncate: unknown option'],
  [['--no-no-collect'], '--no-no-collect: unknown option'],
  [['--job', '4'], '--job: unknown option'],
  [['-x'], '-x: unknown option'],
  [['-tx'], '-x: unknown option'],
  [['-5'], '-5: unknown option'],
  [['--_=x'], '--_: unknown option'],
  [['--__proto__=x'], '--__proto__: unknown option'],
  [['--__proto__.polluted=x'], '--__proto__.polluted: unknown option'],
  [['--constructor'], '--constructor: unknown option'],
  [['--toString', 'x'], '--toString: unknown option'],
  [['--jobs.x=1'], '--jobs.x: unknown option'],
  [['---'], '---: unknown option'],
  [['--=x'], '--: unknown option'],
  [['--truncate=yes'], '--truncate: takes no value'],
  [['--truncate='], '--truncate: takes no value'],
  [['--no-collect=false'], '--no-collect: takes no value'],
  [['-t=1'], '-=: unknown option'],
  [['-t', '-t'], '-t: given twice'],
  [['-tt'], '-t: given twice'],
  [['-t', '--truncate'], '--truncate: given twice'],
  [['--no-collect', '--no-collect'], '--no-collect: given twice'],
  [['--jobs=1', '-j', '2'], '-j: given twice'],
  [['--jobs'], '--jobs: needs a value (N)'],
  [['--jobs', '--verbose'], '--jobs: needs a value (N)'],
  [['--jobs', '-v'], '--jobs: needs a value (N)'],
  [['--jobs', '--', '4'], '--jobs: needs a value (N)'],
  [['--jobs='], '--jobs: needs a value (N)'],
  [['--jobs', ''], '--jobs: needs a value (N)'],
  [['--stream=a', '--stream='], '--stream: needs a value (NAME)'],
  [['-j'], '-j: needs a value (N)'],
  [['-vj'], '-j: needs a value (N)'],
  [['-j', ''], '-j: needs a value (N)'],
  [[''], 'an operand is empty'],
  [['--', ''], 'an operand is empty'],
]
for (const [words, message] of REFUSED)
  test(`arguments are refused: ${JSON.stringify(words)}`, (t) => {
    const error = t.throws(() => parseArguments(words, TABLE), { instanceOf: ToolError })
    t.is(error?.message, message)
    t.is(error?.exitCode, 64)
    t.false('polluted' in {})
  })

test('any words are understood or refused as usage', (t) => {
  const word = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.constantFrom(
      '--',
      '-',
      '-j',
      '--jobs',
      '--stream',
      '--no-collect',
      '-tv',
      'true',
      '--jobs=',
      '-C',
      '__proto__',
    ),
    fc.string({ maxLength: 4 }).map((text) => `--${text}`),
    fc.string({ maxLength: 4 }).map((text) => `-${text}`),
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      try {
        const { operands } = parseArguments(words, TABLE)
        t.true(operands.every((operand) => typeof operand === 'string' && words.includes(operand)))
      } catch (error) {
        t.true(error instanceof ToolError && error.exitCode === 64)
      }
    }),
    { numRuns: 2000 },
  )
})

test('any value and any operand arrive as they were given', (t) => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(text, fc.array(text), (value, operands) => {
      t.deepEqual(parsed(`--range=${value}`, '-v', '--', ...operands), {
        verbose: true,
        range: [value],
        _: operands,
      })
    }),
    { numRuns: 500 },
  )
})
