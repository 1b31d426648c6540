import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import {
  askForList,
  askForPart,
  askForSize,
  askForWhole,
  createAnswerDecoder,
  type Ending,
  ProtocolError,
  partOf,
  script,
} from '../../../src/sources/ssh/protocol.js'

const NONCE = '0123456789abcdef0123456789abcdef'
const SHELLS = [['busybox', 'sh'], ['dash'], ['bash'], ['bash', '--posix']]

const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-protocol-'))
test.after.always(() => fs.rmSync(folder, { recursive: true }))

interface Answer {
  readonly bytes: Buffer
  readonly ending: Ending | undefined
}

/** Takes answers from bytes that come in pieces of these sizes, into rooms of these sizes. */
function takeApart(
  sent: Buffer,
  questions: readonly [sequence: number, offset: bigint | undefined][],
  pieces: readonly number[] = [1 << 20],
  rooms: readonly number[] = [1 << 16],
): Answer[] {
  const decoder = createAnswerDecoder(NONCE)
  const answers: Answer[] = []
  let at = 0
  let turn = 0
  for (const [sequence, offset] of questions) {
    decoder.begin(sequence, offset)
    const got: Buffer[] = []
    let ending: Ending | undefined
    while (!ending) {
      const room = Buffer.alloc(rooms[turn % rooms.length]!)
      const step = decoder.next(room)
      if (typeof step === 'number') got.push(room.subarray(0, step))
      else if (step) ending = step
      else if (at === sent.length) break
      else {
        const size = pieces[turn % pieces.length]!
        decoder.feed(sent.subarray(at, at + size))
        at = Math.min(at + size, sent.length)
      }
      turn++
    }
    answers.push({ bytes: Buffer.concat(got), ending })
    if (!ending) break
  }
  return answers
}

const encode = (sequence: number, at: bigint, bytes: Buffer, status: number, complaint: string): Buffer =>
  Buffer.concat([
    bytes,
    Buffer.from(`\n${NONCE} ${sequence} ${status} ${at + BigInt(bytes.length)}\n`),
    Buffer.from(status === 0 ? '' : `${complaint}\n${NONCE}\n`),
  ])

/** Bytes as memory may hold them: those that end answers among them. */
const memory = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom(
          '\n',
          NONCE,
          `\n${NONCE}`,
          `\n${NONCE} 7`,
          `\n${NONCE} 7 `,
          `\n${NONCE} 7 0 `,
          `\n${NONCE} 7 0 -\n`,
          `\n${NONCE} 7 - -\n`,
          `\n${NONCE} 7 0 99999999999\n`,
          `\n${NONCE} 7 0 1 \n`,
          `\n${NONCE} 8 0 0\n`,
        )
        .map((text) => Buffer.from(text)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat(parts))
  // What stands at the very beginning tells nothing of how many bytes came before it.
  .filter((bytes) => !/^\n[0-9a-f]{32} 7 [0-9-]{1,3} [0-9-]{1,20}\n/.test(bytes.toString('latin1')))
const sizes = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 8 })

test('whatever memory holds and however it comes, an answer is taken apart as it was put together', (t) => {
  fc.assert(
    fc.property(
      memory,
      fc.bigInt({ min: 0n, max: 2n ** 62n }),
      fc.constantFrom(0, 1, 2, 127),
      sizes,
      sizes,
      (bytes, at, status, pieces, rooms) => {
        const complaint = 'dd: standard input: Input/output error'
        const next = Buffer.from('the next one')
        const sent = Buffer.concat([encode(7, at, bytes, status, complaint), encode(8, 5n, next, 0, '')])
        const answers = takeApart(
          sent,
          [
            [7, at],
            [8, 5n],
          ],
          pieces,
          rooms,
        )
        t.deepEqual(answers, [
          {
            bytes,
            ending: {
              status,
              position: at + BigInt(bytes.length),
              complaint: status === 0 ? '' : complaint,
            },
          },
          { bytes: next, ending: { status: 0, position: 5n + BigInt(next.length), complaint: '' } },
        ])
      },
    ),
  )
})

test('of any bytes no more comes out than went in, and they fail as what they are', (t) => {
  fc.assert(
    fc.property(memory, sizes, (bytes, pieces) => {
      try {
        const [answer] = takeApart(bytes, [[7, 0n]], pieces)
        t.true(answer!.bytes.length <= bytes.length)
        t.true(bytes.includes(answer!.bytes))
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
      }
    }),
  )
})

test('an answer of more bytes than there is room for is none', (t) => {
  const decoder = createAnswerDecoder(NONCE)
  decoder.begin(7, 0n)
  decoder.feed(Buffer.from('abc'))
  t.is(decoder.next(Buffer.alloc(2)), 2)
  t.throws(() => decoder.next(Buffer.alloc(0)), { instanceOf: ProtocolError })
})

test('a complaint without end is none', (t) => {
  const decoder = createAnswerDecoder(NONCE)
  decoder.begin(7, 0n)
  decoder.feed(Buffer.from(`\n${NONCE} 7 1 0\n${'x'.repeat(70_000)}`))
  t.throws(() => decoder.next(Buffer.alloc(9)), { instanceOf: ProtocolError })
})

test('parts are whole blocks, or one', (t) => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 2n ** 40n }), (length) => {
      const part = partOf(length, 4n << 20n)
      t.true(part > 0n && part <= length && part <= 4n << 20n)
      t.true(part < 65536n || part % 65536n === 0n)
    }),
  )
})

for (const shell of SHELLS)
  test(`${shell.join(' ')} answers with the bytes, and where the file was left`, (t) => {
    const content = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) >> 3))
    const file = path.join(folder, `it's a ${shell.join('')}`)
    fs.writeFileSync(file, content)
    const part = (sequence: number, offset: bigint, length: bigint) =>
      askForPart(sequence, { path: file, offset, length })
    const absent = path.join(folder, 'absent')
    const input = [
      script(NONCE),
      part(1, 0n, 196608n),
      part(2, 3n, 1000n),
      part(3, 0x10000n, 65536n),
      part(4, 299_990n, 100n),
      askForPart(5, { path: absent, offset: 0n, length: 1n }),
      askForPart(6, { path: folder, offset: 0n, length: 1n }),
      askForPart(7, { path: '/proc/self/mem', offset: 4096n, length: 4096n }),
      askForWhole(8, '/proc/version', 4096),
      askForSize(9, file),
      askForList(10, '/proc/self/ns'),
      part(11, 0n, 0n),
      askForPart(12, { path: '/proc/self/mem', offset: 2n ** 62n + 4096n, length: 4096n }),
    ].join('')
    const { stdout, stderr } = spawnSync(shell[0]!, shell.slice(1), { input })
    t.is(stderr.toString(), '')
    const offsets = [undefined, 0n, 3n, 0x10000n, 299_990n, 0n, 0n, 4096n, 0n, 0n, 0n, 0n, 2n ** 62n + 4096n]
    const answers = takeApart(
      stdout,
      offsets.map((offset, sequence) => [sequence, offset]),
      [1000],
    )
    t.is(answers.length, 13)
    const taken = answers.map(({ bytes, ending }) => [bytes.length, ending?.status, ending?.position])
    t.deepEqual(taken.slice(0, 4), [
      [0, 0, 0n],
      [196608, 0, 196608n],
      [1000, 0, 1003n],
      [65536, 0, 0x20000n],
    ])
    t.true(answers[1]!.bytes.equals(content.subarray(0, 196608)))
    t.true(answers[2]!.bytes.equals(content.subarray(3, 1003)))
    t.true(answers[3]!.bytes.equals(content.subarray(0x10000, 0x20000)))
    t.deepEqual(taken[4], [10, 0, 300_000n])
    t.is(answers[5]!.ending!.status, undefined)
    t.regex(answers[5]!.ending!.complaint, /absent.*no such file/i)
    t.regex(answers[6]!.ending!.complaint, /is a directory/i)
    t.is(answers[7]!.bytes.length, 0)
    t.regex(answers[7]!.ending!.complaint, /input\/output error/i)
    t.is(answers[8]!.bytes.toString(), fs.readFileSync('/proc/version', 'utf8'))
    t.deepEqual(taken[9], [0, 0, 300_000n])
    t.true(answers[10]!.bytes.toString().includes('/proc/self/ns/user'))
    t.deepEqual(taken[11], [0, 0, 0n])
    t.is(answers[12]!.bytes.length, 0)
    t.not(answers[12]!.ending!.status, 0)
  })

test('a shell without dd says so', (t) => {
  const { stdout } = spawnSync('/bin/dash', [], { input: script(NONCE), env: { PATH: folder } })
  const [answer] = takeApart(stdout, [[0, undefined]])
  t.is(answer!.ending!.status, 127)
  t.regex(answer!.ending!.complaint, /dd.*not found/)
})
