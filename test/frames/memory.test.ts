import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { packageFile } from './support.js'

const MEASURE = fileURLToPath(packageFile('dist/test/frames/measure.js'))

interface Facts {
  frames: number
  evidence: number
  refused: string
  /** MiB by which the process grew at most. */
  grown: number
  /** Of the processor: the machine may have more to do. */
  seconds: number
}

function measured(what?: string): Facts {
  const { stdout, stderr } = spawnSync(process.execPath, [MEASURE, ...(what ? [what] : [])])
  if (stderr.length > 0) throw new Error(`${what}: ${stderr}`)
  return JSON.parse(stdout.toString())
}

test('2 GiB are read in flat memory', (t) => {
  const { evidence, refused, grown } = measured('2 GiB')
  t.is(refused, '')
  t.is(evidence, 2 ** 31)
  t.true(grown < 96, `grew by ${grown} MiB`)
})

test('a million frames without payload are read in flat memory', (t) => {
  const { frames, refused, grown } = measured('a million fills')
  t.is(refused, '')
  t.true(frames >= 1_000_000)
  t.true(grown < 256, `grew by ${grown} MiB`)
})

for (const what of (measured() as unknown as string[]).filter((each) => each.startsWith('claims')))
  test(`headers cost little time and memory: ${what}`, (t) => {
    const { frames, refused, grown, seconds } = measured(what)
    t.notRegex(refused, /DEFECT/)
    t.true(frames < 10)
    t.true(grown < 160, `grew by ${grown} MiB`)
    t.true(seconds < 10, `took ${seconds} s`)
  })

for (const what of ['deep arrays', 'deep objects', 'arrays never closed', 'no JSON'])
  test(`a control payload of 16 MiB is refused in bounded memory and time: ${what}`, (t) => {
    const { refused, grown, seconds } = measured(what)
    t.regex(refused, /^start: payload /)
    t.true(grown < 1200, `grew by ${grown} MiB`)
    t.true(seconds < 10, `took ${seconds} s`)
  })

for (const what of ['many arrays', 'many keys', 'a long string', 'a long number'])
  test(`a control payload of 16 MiB is read in bounded memory and time: ${what}`, (t) => {
    const { refused, grown, seconds } = measured(what)
    t.is(refused, '')
    t.true(grown < 1200, `grew by ${grown} MiB`)
    t.true(seconds < 10, `took ${seconds} s`)
  })
