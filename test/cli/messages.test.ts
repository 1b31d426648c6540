import test from 'ava'
import fc from 'fast-check'
import { printable } from '../../src/cli/messages.js'
import { onTerminal, openShell } from './shell.js'

test('printable text holds no control character, nor one that turns text around, and the rest of it unchanged', (t) => {
  t.is(printable('a\nb\x1b[31m\x7f\x9bé\u{1f600}'), 'a\\x0ab\\x1b[31m\\x7f\\x9bé\u{1f600}')
  t.is(printable('photo\u202egpj.exe'), 'photo\\u202egpj.exe')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      t.notRegex(printable(text), /[\p{Cc}\p{Bidi_Control}]/u)
      if (!/[\p{Cc}\p{Bidi_Control}]/u.test(text)) t.is(printable(text), text)
    }),
  )
})

test('a message is one line, whatever is in the name', async (t) => {
  const { run } = openShell(t)
  const { status, stderr } = await run(`sample-sink $'--a\\nb\\e[31m'`)
  t.is(status, 64)
  t.is(stderr, 'sample-sink: --a\\x0ab\\x1b[31m: unknown option\nhint: usage: sample-sink [OPTIONS] OUT\n')
})

test('--log json: every line of stderr is JSON, errors and progress too', async (t) => {
  const { run } = openShell(t)
  const { status, stderr } = await run(
    `sample-source --size 4M --pause 30 $'a\\nb' | head -c 3500000 | sample-sink --log json out.raw`,
  )
  t.is(status, 3)
  const lines = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.true(lines.every((line) => line.tool === 'sample-sink' && !Number.isNaN(Date.parse(line.time))))
  const progress = lines.filter(({ level }) => level === 'progress')
  t.true(progress.length > 0)
  t.true(
    progress.every((line) => line.stream === 'a\nb' && line.bytes > 0 && line.percent > 0 && line.rate > 0),
  )
  const errors = lines.filter(({ level }) => level === 'error')
  t.is(errors.length, 1)
  t.regex(errors[0].message, /^input ended at 0x3567e0 before END; 3\.\d MiB kept in out.partial.raw$/)
})

test('without a terminal there is no progress line and no colour', async (t) => {
  const { run } = openShell(t)
  const { status, stderr } = await run('sample-source --size 2M --pause 30 | sample-sink out.raw')
  t.is(status, 0)
  t.is(stderr, '')
})

test('on a terminal a progress line comes, no wider than it, and is gone at the end', async (t) => {
  const { run } = openShell(t)
  const name = `$'${'long'.repeat(40)}\\e[31m'`
  const { status, stdout } = await run(
    onTerminal(`stty cols 60; sample-source --size 4M --pause 30 ${name} 2>/dev/null | sample-sink out.raw`),
  )
  t.is(status, 0)
  const shown = stdout.toString()
  t.regex(shown, /^\rlonglong/)
  t.false(shown.includes('\x1b') || shown.includes('\n'))
  for (const line of shown.split('\r')) t.true(line.length < 60, line)
  t.regex(shown, /\r {59}\r$/)
})

test('-q keeps progress and information away, not errors', async (t) => {
  const { run } = openShell(t)
  const { stdout } = await run(
    onTerminal('sample-source --size 2M --pause 30 2>/dev/null | head -c 2000000 | sample-sink -q out.raw'),
  )
  t.regex(
    stdout.toString(),
    /^sample-sink: input ended at 0x1e8480 before END; 1\.\d MiB kept in out.partial.raw\r\n$/,
  )
})

test('messages to a closed stderr are lost, not the run', async (t) => {
  const { run } = openShell(t)
  const { status } = await run('sample-source --size 1k --unreadable | sample-sink --log json out.raw 2>&-')
  t.is(status, 2)
})
