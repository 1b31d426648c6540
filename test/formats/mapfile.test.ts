import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { FormatError } from '../../src/formats/format-error.js'
import { decodeMapfile, encodeMapfile, type Mapfile } from '../../src/formats/mapfile.js'

const run = promisify(execFile)

async function scratch(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pmem-map-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

const EXAMPLE: Mapfile = {
  position: 0x10200n,
  status: '+',
  pass: 1,
  blocks: [
    { start: 0n, length: 0x10000n, status: '+' },
    { start: 0x10000n, length: 0x400n, status: '-' },
    { start: 0x10400n, length: 0x2fc00n, status: '?' },
  ],
}

test('the map file of an image with a bad sector looks as ddrescue writes it', (t) => {
  t.is(
    Buffer.from(encodeMapfile(EXAMPLE, ['Mapfile. Created by pmem'])).toString(),
    `# Mapfile. Created by pmem
# current_pos  current_status  current_pass
0x00010200     +               1
#      pos        size  status
0x00000000  0x00010000  +
0x00010000  0x00000400  -
0x00010400  0x0002FC00  ?
`,
  )
})

test('ddrescuelog counts what we wrote', async (t) => {
  const path = join(await scratch(t), 'map')
  await writeFile(path, encodeMapfile(EXAMPLE, ['of an image\nnamed on two lines']))
  const { stdout } = await run('ddrescuelog', ['-t', path])
  t.regex(stdout, /non-tried: +195584 B/)
  t.regex(stdout, /rescued: +65536 B/)
  t.regex(stdout, /bad-sector: +1024 B/)
})

test('a map that ddrescue wrote, and one that it takes as its bad areas', async (t) => {
  const folder = await scratch(t)
  const [input, output, bad, map] = ['in', 'out', 'bad', 'map'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ]
  await writeFile(input, Buffer.alloc(0x40000, 'x'))
  await writeFile(bad, encodeMapfile({ ...EXAMPLE, blocks: EXAMPLE.blocks.map(goodAfterBad) }))
  await run('ddrescue', ['-q', `--test-mode=${bad}`, input, output, map])
  const decoded = decodeMapfile(await readFile(map))
  t.is(decoded.status, '+')
  t.deepEqual(decoded.blocks, EXAMPLE.blocks.map(goodAfterBad))
})
const goodAfterBad = (block: Mapfile['blocks'][number]) =>
  block.status === '?' ? ({ ...block, status: '+' } as const) : block

test('any map survives encode and decode', (t) => {
  const status = fc.constantFrom('?', '*', '/', '-', '+')
  const lengths = fc.array(fc.tuple(fc.bigInt({ min: 1n, max: 1n << 56n }), status), { maxLength: 30 })
  const state = fc.record({
    position: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    status: fc.constantFrom('?', '*', '/', '-', 'F', 'G', '+'),
    pass: fc.nat(100),
  })
  fc.assert(
    fc.property(state, fc.bigInt({ min: 0n, max: 1n << 62n }), lengths, (run, first, sizes) => {
      let start = first
      const blocks = sizes.map(([length, status]) => {
        const block = { start, length, status }
        start += length
        return block
      })
      t.deepEqual(decodeMapfile(encodeMapfile({ ...run, blocks })), { ...run, blocks })
    }),
  )
})

test('numbers may be decimal or octal, the pass absent, comments anywhere', (t) => {
  t.deepEqual(decodeMapfile(Buffer.from('# x\r\n\n512 ? # y\n0 010 +\n8 0xA - # z\n')), {
    position: 512n,
    status: '?',
    pass: 1,
    blocks: [
      { start: 0n, length: 8n, status: '+' },
      { start: 8n, length: 10n, status: '-' },
    ],
  })
})

for (const [name, text, message] of [
  ['nothing', '# only a comment\n', /no state line/],
  ['an image', '\x7fELF\x02\x01\n', /line 1: not the state/],
  ['an unknown run status', '0 X 1\n', /line 1: not the state/],
  ['an unknown block status', '0 + 1\n0 1 x\n', /line 2: not a block/],
  ['a number that is none', '0 + 1\n0 12q +\n', /line 2: not a number/],
  ['a negative number', '0 + 1\n-1 1 +\n', /line 2: not a number/],
  ['an empty block', '0 + 1\n0 0 +\n', /line 2: a block of this size/],
  ['a block past 64 bits', '0 + 1\n0xFFFFFFFFFFFFFFFF 2 +\n', /line 2: a block of this size/],
  ['a number past 64 bits', '0 + 1\n99999999999999999999 2 +\n', /line 2: the number passes/],
  ['a gap', '0 + 1\n0 1 +\n2 1 +\n', /line 3: the block does not follow/],
  ['an overlap', '0 + 1\n0 2 +\n1 1 +\n', /line 3: the block does not follow/],
] as const)
  test(`a map file with ${name} is refused with the line`, (t) => {
    t.throws(() => decodeMapfile(Buffer.from(text, 'latin1')), { instanceOf: FormatError, message })
  })

test('any text is either a map or refused', (t) => {
  const text = fc.string({ unit: fc.constantFrom(...'0019aFx?*/-+# \n\n') })
  fc.assert(
    fc.property(text, (content) => {
      try {
        decodeMapfile(Buffer.from(content))
      } catch (error) {
        t.true(error instanceof FormatError, String(error))
      }
      t.pass()
    }),
    { numRuns: 1000 },
  )
})
