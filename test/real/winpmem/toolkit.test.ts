import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { packageFile } from '../../frames/support.js'
import { openWindows, type Program, type Windows } from './wine.js'

/** Compressible, random, and zeros: 5 MiB and some. */
const CONTENT = Buffer.concat([
  Buffer.alloc(3 << 20, 'evidence '),
  randomBytes(1 << 20),
  Buffer.alloc(1234567),
])
const CONTROL_C_EXIT = 0xc000013a
const CLOSED_PIPE = 141

let windows: Windows
test.before(async () => {
  windows = await openWindows()
  writeFileSync(join(windows.folder, 'content'), CONTENT)
  mkdirSync(join(windows.folder, 'tree/sub folder'), { recursive: true })
  writeFileSync(join(windows.folder, 'tree/sub folder/ä.TXT'), 'umlaut')
  writeFileSync(join(windows.folder, 'tree/b.txt'), 'b')
})
test.after.always(() => windows?.close())

/** Runs a tool of the checkout here. */
const here = async (tool: string, ...words: string[]): Promise<string> =>
  (await promisify(execFile)(fileURLToPath(packageFile(`bin/${tool}`)), words, { cwd: windows.folder }))
    .stdout

for (const codec of ['zlib', 'snappy', 'lz4']) {
  test.serial(
    `a volume of ${codec} chunks made under Windows holds what came, and reads the same there`,
    async (t) => {
      const volume = `${codec}.aff4`
      const made = await windows.run([
        ['file-cat', 'content'],
        ['pmem-hash', 'sha256'],
        ['pmem-compress', codec],
        ['aff4-sink', volume],
      ])
      t.deepEqual([made.statuses, made.stderr], [[0, 0, 0, 0], ''])
      t.regex(await here('aff4-verify', volume), / 0 mismatched, 0 not checked/)
      t.deepEqual((await windows.run([['aff4-verify', volume]])).statuses, [0])
      const { statuses, stdout } = await windows.run([
        ['aff4-cat', volume],
        ['raw-sink', '-'],
      ])
      t.deepEqual(statuses, [0, 0])
      t.true(stdout.equals(CONTENT))
    },
  )
}

test.serial('a volume is appended to, replaced with -t, and no other file is written over', async (t) => {
  const into = async (...words: string[]) =>
    (await windows.run([['file-cat', 'tree\\b.txt'], words as [string, ...string[]]])).statuses
  t.deepEqual(await into('aff4-sink', 'twice.aff4'), [0, 0])
  const again = await windows.run([
    ['file-cat', 'content'],
    ['aff4-sink', 'twice.aff4'],
  ])
  t.deepEqual(again.statuses, [0, 0])
  const listed = await here('aff4-ls', 'twice.aff4')
  t.regex(listed, /tree\/b\.txt/)
  t.regex(listed, /content/)
  t.deepEqual(await into('aff4-sink', '-t', 'twice.aff4'), [0, 0])
  t.notRegex(await here('aff4-ls', 'twice.aff4'), /content/)
  t.is((await into('raw-sink', 'content'))[1], 73)
  t.true(readFileSync(join(windows.folder, 'content')).equals(CONTENT))
  t.deepEqual(
    readdirSync(windows.folder).filter((name) => /partial|append/.test(name)),
    [],
  )
})

test.serial(
  'files are found by patterns and paths of Windows, and named as Windows shows them',
  async (t) => {
    const names = async (operand: string) => {
      const { stdout } = await windows.run([['file-cat', operand], ['pmem-frames']])
      return [...stdout.toString('utf8').matchAll(/^STREAM .*?"name":("[^"]*")/gm)].map(([, name]) =>
        JSON.parse(name!),
      )
    }
    t.deepEqual(await names('tree\\**\\*.txt'), ['tree/b.txt', 'tree/sub folder/ä.TXT'])
    const folder = `Z:${windows.folder.replaceAll('/', '\\')}`
    t.deepEqual(await names(`${folder}\\tree`), [
      `${folder}\\tree`,
      `${folder}\\tree\\b.txt`,
      `${folder}\\tree\\sub folder`,
      `${folder}\\tree\\sub folder\\ä.TXT`,
    ])
    const sunk = await windows.run([
      ['file-cat', 'tree'],
      ['files-sink', '-C', 'copy'],
    ])
    t.deepEqual(sunk.statuses, [0, 0])
    t.is(readFileSync(join(windows.folder, 'copy/tree/sub folder/ä.TXT'), 'utf8'), 'umlaut')
  },
)

test.serial('who closes a pipe ends those before it quietly, one after the other', async (t) => {
  const leave = (how: string): Program => ['node', '-e', how]
  for (const how of [
    'process.stdin.once("data", () => process.exit(5))',
    // While who writes waits: Windows then has another error for it.
    'setTimeout(() => process.exit(5), 1500)',
  ]) {
    const { statuses, stderr } = await windows.run([['file-cat', 'content'], ['pmem-chunk'], leave(how)])
    t.deepEqual([statuses, stderr], [[CLOSED_PIPE, CLOSED_PIPE, 5], ''])
  }
})

test.serial('an input that is cut is no complete image', async (t) => {
  const cut =
    "process.stdin.on('data', (bytes) => process.stdout.write(bytes.subarray(0, 4000), () => process.exit()))"
  const { statuses, stderr } = await windows.run([
    ['file-cat', 'content'],
    ['node', '-e', cut],
    ['pmem-compress', 'zlib'],
    ['aff4-sink', 'cut.aff4'],
  ])
  t.deepEqual(statuses.slice(2), [3, 3])
  t.regex(stderr, /before END/)
  t.false(existsSync(join(windows.folder, 'cut.aff4')))
})

test.serial('Ctrl-C reaches all of a pipeline, and the sink keeps what has come, labelled', async (t) => {
  writeFileSync(join(windows.folder, 'large'), Buffer.alloc(200 << 20, 'evidence '))
  const { statuses, stdout, stderr } = await windows.run(
    [['file-cat', 'large'], ['pmem-chunk'], ['raw-sink', '-']],
    { interrupted: true },
  )
  t.deepEqual(statuses, [CONTROL_C_EXIT, 3, 3])
  t.true(stdout.length > 0 && stdout.length < 200 << 20)
  t.regex(stderr, /interrupted by SIGINT/)
})
