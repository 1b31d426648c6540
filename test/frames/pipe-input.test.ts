import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { openPipeInput } from '../../src/frames/pipe-input.js'
import { openShell } from '../cli/shell.js'
import { packageFile } from './support.js'

test('pipes, sockets and files are read whole, however they are written and whatever the steps', async (t) => {
  const { run, folder } = openShell(t)
  const expected = Buffer.concat(Array.from({ length: 40 }, (_, at) => Buffer.alloc(at * 1111, `${at} `)))
  fs.writeFileSync(path.join(folder, 'content'), expected)
  const writer = `import os, time
def put(bytes):
  while bytes: bytes = bytes[os.write(1, bytes):]
with open("content", "rb") as content:
  for size in [1, 48, 5000, 70000, 3, 65536, 65537] * 4:
    put(content.read(size))
    if size < 100: time.sleep(0.01)
  put(content.read())
  time.sleep(0.05)`
  fs.writeFileSync(path.join(folder, 'writer.py'), writer)
  const socket = `import socket, subprocess, sys
ours, theirs = socket.socketpair()
writer = subprocess.Popen(["python3", "writer.py"], stdout=ours)
ours.close()
exit(subprocess.run(sys.argv[1:], stdin=theirs).returncode or writer.wait())`
  fs.writeFileSync(path.join(folder, 'over-socket.py'), socket)
  for (const step of [7, (64 << 10) + 1, 1 << 20]) {
    const copy = `'${process.execPath}' '${fileURLToPath(packageFile('dist/test/frames/copy-input.js'))}' ${step}`
    for (const script of [
      `python3 writer.py | ${copy}`,
      `mkfifo -m 600 fifo.${step}; python3 writer.py >fifo.${step} & ${copy} <fifo.${step}`,
      `python3 over-socket.py ${copy}`,
      `${copy} <content`,
    ]) {
      const { stdout, stderr } = await run(script)
      t.is(stderr, '')
      t.true(stdout.equals(expected), `${script}: ${stdout.length} of ${expected.length} bytes`)
    }
  }
})

test('close ends a read that waits, and every read after it', async (t) => {
  // In a process of its own: a worker closes descriptors once more that a socket has closed already.
  const script = `
    import { writeFileSync } from 'node:fs'
    import { openPipeInput } from '${packageFile('dist/src/frames/pipe-input.js')}'
    const input = openPipeInput(0, 'test')
    const into = Buffer.alloc(10)
    setTimeout(() => input.close(), 100)
    console.log(await input.read(into), await input.read(into))
    writeFileSync('closed', '')
    setTimeout(async () => console.log(await input.read(into)), 500)`
  const { run, folder } = openShell(t)
  fs.writeFileSync(path.join(folder, 'close.mjs'), script)
  const { stdout } = await run(
    `(until [ -e closed ]; do sleep 0.05; done; echo late 2>/dev/null) | '${process.execPath}' close.mjs`,
  )
  t.is(stdout.toString(), '0 0\n0\n')
})

test('a loop of reads that never waits lets the event loop run', async (t) => {
  const fd = fs.openSync('/dev/zero', 'r')
  const input = openPipeInput(fd, 'test')
  const into = Buffer.alloc(1 << 16)
  let ticks = 0
  const timer = setInterval(() => ticks++, 10)
  for (const began = performance.now(); ticks < 3 && performance.now() - began < 10_000; )
    await input.read(into)
  clearInterval(timer)
  fs.closeSync(fd)
  t.is(ticks, 3)
})

test('an input that cannot be read is named', async (t) => {
  const fd = fs.openSync('.', 'r')
  const error = await t.throwsAsync(openPipeInput(fd, 'the input').read(Buffer.alloc(1)), { code: 'EISDIR' })
  t.is((error as NodeJS.ErrnoException).path, 'the input')
  fs.closeSync(fd)
})
