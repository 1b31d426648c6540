import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { type Answer, openSession } from '../../../src/sources/ssh/session.js'
import { silent } from '../collect.js'
import { farHost } from './far-host.js'

const PART = 1 << 20
const PIECE = 100_000

/** What an answer brings, read in pieces as a source does. */
async function readAll(answer: Answer): Promise<Buffer> {
  const bytes = Buffer.alloc(Number(answer.left))
  for (let at = 0; at < bytes.length; ) {
    const { count, ending } = await answer.read(bytes.subarray(at, at + PIECE))
    at += count
    if (ending && at < bytes.length) throw new Error(`it ends at ${at}`)
  }
  return bytes
}

test('what is wanted while it is being kept comes as it is', async (t) => {
  const host = farHost(t)
  process.env.PATH = `${host.bin}:${process.env.PATH}`
  const file = path.join(host.folder, 'memory')
  const content = randomBytes(PART + PIECE)
  writeFileSync(file, content)
  const session = await openSession({
    target: { host: 'host', sshOptions: host.sshOptions, sudo: false, password: async () => undefined },
    retries: 0,
    log: silent,
    interrupted: new AbortController().signal,
  })
  t.teardown(() => session.close())
  for (let turns = 0; turns < 40; turns++) {
    const first = session.ask({ path: file, offset: 0n, length: BigInt(PART) })
    const second = session.ask({ path: file, offset: BigInt(PART), length: BigInt(PIECE) })
    // It stands behind the first one, which nobody wants yet.
    const behind = readAll(second)
    for (let i = 0; i < turns; i++) await turn()
    const [head, tail] = await Promise.all([readAll(first), behind])
    t.true(Buffer.concat([head, tail]).equals(content), `after ${turns} turns`)
  }
})
