import test from 'ava'
import type { Log } from '../../src/cli/messages.js'
import { logProgress } from '../../src/cli/progress.js'
import { onTerminal, openShell } from '../cli/shell.js'
import { close, collect, data, end, start, stream } from './support.js'

test('on a terminal a line tells how much of how much has passed, how fast, and how long it will take', async (t) => {
  const { run } = openShell(t)
  const { status, stdout } = await run(
    onTerminal(
      'sample-source --size 4M --pause 30 name 2>/dev/null | pmem-progress | sample-sink -q out.raw',
    ),
  )
  t.is(status, 0)
  const shown = stdout.toString()
  t.regex(shown, /\rname: [\d.]+ [KM]iB of 4\.0 MiB, [\d.]+ [KM]iB\/s, [\d.]+ %, 0:\d\d left/)
  t.regex(shown, /\r +\r$/)
})

test('with NO_COLOR, with -q and without a terminal no line is written over', async (t) => {
  const { run } = openShell(t)
  const pipe = 'sample-source --size 2M --pause 30 2>/dev/null | pmem-progress'
  for (const command of [
    onTerminal(`export NO_COLOR=1; ${pipe} | sample-sink -q out.raw`),
    onTerminal(`${pipe} -q | sample-sink -t -q out.raw`),
    `(${pipe} | sample-sink -t -q out.raw) 2>&1`,
  ]) {
    const { status, stdout } = await run(command)
    t.is(status, 0)
    // A slow machine comes to a line that stays.
    t.regex(stdout.toString(), /^(pmem-progress: image: [^\r\n]* left\r?\n)*$/)
  }
})

test('--log json gives the numbers', async (t) => {
  const { run } = openShell(t)
  const { stderr } = await run(
    'sample-source --size 4M --pause 30 | pmem-progress --log json | sample-sink out.raw',
  )
  const lines = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.true(lines.length > 0)
  t.true(lines.every(({ level, bytes, percent }) => level === 'progress' && bytes > 0 && percent > 0))
})

test('where progress is logged a line comes every so often, also while nothing moves, and frames pass as they are', async (t) => {
  const lines: string[] = []
  let stalled = () => {}
  const thirdLine = new Promise<void>((resolve) => {
    stalled = resolve
  })
  const log = {
    info(line: string) {
      lines.push(line)
      if (lines.length === 3) stalled()
    },
    clearProgress() {},
  } as unknown as Log
  const frames = [start, stream({ ranges: [['0x1000', '0x2000']] }), data(0x1000n, Buffer.alloc(0x1000))]
  async function* input() {
    yield frames
    await thirdLine
    yield [close, end]
  }
  const waiting = setInterval(() => {}, 1000)
  const got = await collect(logProgress(input(), log, 5))
  clearInterval(waiting)
  t.deepEqual(got, [...frames, close, end])
  for (const line of lines) t.regex(line, /^memory: 4\.0 KiB of 8\.0 KiB, .*\/s, 50 %, \d+:\d\d left$/)
})

test('what passes is byte for byte what came, but for the program that START names', async (t) => {
  const { run } = openShell(t)
  const { status } = await run(`sample-source --size 1M > in.frames; pmem-progress < in.frames > out.frames
    cmp <(tail -c 1000000 in.frames | head -c 900000) <(tail -c 1000000 out.frames | head -c 900000)`)
  t.is(status, 0)
})
