import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import type { Tool } from '../../src/cli/tool.js'
import type { Facts } from '../../src/formats/image/facts.js'
import { FORMATS } from '../../src/formats/image/formats.js'
import type { Frames } from '../../src/frames/frame.js'
import { type Content, contentOf } from './matrix/content.js'
import { EVIDENCE, framesOf } from './matrix/evidence.js'
import { expected, FORMAT_ROWS, type FormatRow } from './matrix/formats.js'
import { send, sink } from './matrix/run.js'

const ROWS = Object.entries(FORMAT_ROWS)
const folder = mkdtempSync(path.join(tmpdir(), 'pmem-matrix-'))
test.afterEach.always(() => {
  // What one that failed has left is nothing to the next.
  for (const name of readdirSync(folder)) rmSync(path.join(folder, name))
})
test.after.always(() => rmSync(folder, { recursive: true }))

const tools = new Map<string, Tool>()
test.before(async () => {
  for (const [name] of ROWS)
    tools.set(name, ((await import(`../../src/sinks/${name}.js`)) as { tool: Tool }).tool)
})

/**
 * Writes a file by a sink.
 * @param facts those that are sent
 * @returns what image-cat says of it afterwards
 */
async function convert(name: string, frames: Frames, out: string, facts: Facts): Promise<Content> {
  const { status, told } = await sink(tools.get(name)!, [...FORMAT_ROWS[name]!.words, out], frames)
  if (status !== 0 && status !== 2) throw new Error(`${name}: ${status}: ${told.join('; ')}`)
  return readBack(out, facts)
}

async function readBack(file: string, facts: Facts): Promise<Content> {
  const content = await contentOf(send(file))
  // What a reader finds out besides is no part of the comparison.
  const known = Object.entries(content.facts).filter(([name]) => name in facts)
  return { ...content, facts: Object.fromEntries(known) as Facts }
}

const fileOf = (kind: string, name: string) =>
  path.join(folder, `${kind}-${name}${FORMAT_ROWS[name]!.ending ?? ''}`)
const remove = (file: string) => {
  for (const name of [file, `${file}.map`]) rmSync(name, { force: true })
}

/** Facts that came through, of those there were, in the words of the table. */
const share = (kept: Facts, all: Facts) => `${Object.keys(kept).length}/${Object.keys(all).length}`

/** Which facts of a Linux and of a Windows machine have come from one format into another. */
const cells = new Map<string, string[]>()

test.serial('every sink of memory images has a row here, once its format is read', (t) => {
  const isRead = (sink: string) => FORMATS.some(({ name }) => sink === `${name}-sink`)
  const sinks = readdirSync('bin').filter((name) => isRead(name) || name === 'aff4-sink')
  t.deepEqual(Object.keys(FORMAT_ROWS), sinks)
})

for (const [title, evidence] of Object.entries(EVIDENCE))
  test.serial(`from every format to every format: ${title}`, async (t) => {
    const sent = await contentOf(framesOf(evidence))
    for (const [from, row] of ROWS) {
      const first = fileOf('first', from)
      const there = await convert(from, framesOf(evidence), first, sent.facts)
      t.deepEqual(there, expected(row, sent), from)
      for (const [to, next] of ROWS) {
        const second = fileOf('second', to)
        const back = await convert(to, send(first), second, there.facts)
        t.deepEqual(back, expected(next, there), `${from} to ${to}`)
        const cell = cells.get(`${from} ${to}`) ?? []
        if (Object.keys(sent.facts).length > 0) cell.push(share(back.facts, sent.facts))
        cells.set(`${from} ${to}`, cell)
        remove(second)
      }
      remove(first)
    }
  })

test.serial(
  'where the map is lost, a format that has no place for bad ranges reads text in them',
  async (t) => {
    const evidence = EVIDENCE['bad pages']!
    const sent = await contentOf(framesOf(evidence))
    for (const [name, row] of ROWS) {
      const out = fileOf('bare', name)
      await convert(name, framesOf(evidence), out, sent.facts)
      rmSync(`${out}.map`, { force: true })
      const bare = await readBack(out, sent.facts)
      if (row.bare === 'all') t.deepEqual(bare, expected(row, sent), name)
      else {
        t.deepEqual([bare.unreadable, bare.unknown], [[], []], name)
        const bytes = readFileSync(out)
        t.true(name === 'avml-sink' || bytes.includes('UNREADABLEDATAUNREADABLEDATA'), name)
      }
      remove(out)
    }
  },
)

test.serial(
  'the same evidence from another host at another time gives the same bytes, where asked for',
  async (t) => {
    for (const [name, row] of ROWS) {
      const tool = tools.get(name)!
      const words = [...row.words, ...('deterministic' in tool.options ? ['--deterministic'] : [])]
      const made: Buffer[] = []
      for (const [host, started] of [
        ['one', '2026-01-01T00:00:00Z'],
        ['another', '2026-02-02T02:02:02Z'],
      ] as const) {
        const out = fileOf(host, name)
        await sink(tool, [...words, out], framesOf(EVIDENCE['bad pages']!, { host, started }))
        made.push(readFileSync(out))
        remove(out)
      }
      t.true(made[0]!.equals(made[1]!), name)
    }
  },
)

test.serial('docs/conversions.md has the tables that were found here', (t) => {
  const text = readFileSync('docs/conversions.md', 'utf8')
  const tables = [formatTable(), pairTable()]
  t.log(tables.join('\n'))
  t.deepEqual(text.match(/(?:^\|.*\n)+/gm) ?? [], tables)
})

function formatTable(): string {
  const lines = ROWS.map(
    ([name, row]) =>
      `| ${row.title} | ${factsOf(row)} | ${bareOf(row)} | \`${[name, ...row.words].join(' ')}\` |`,
  )
  return `| format | facts | bad ranges where OUT.map is lost | written by |\n|---|---|---|---|\n${lines.join('\n')}\n`
}

function factsOf({ keeps }: FormatRow): string {
  const every = Object.values(EVIDENCE).flatMap(({ facts }) =>
    Object.keys(facts).map((name) => [name, facts] as const),
  )
  const kept = every.filter(([name, facts]) => keeps(name as keyof Facts, facts)).length
  return kept === 0 ? 'none' : kept === every.length ? 'all' : 'those of its header'
}

const bareOf = ({ bare }: FormatRow) => (bare === 'all' ? 'told inside' : 'read as text')

function pairTable(): string {
  const titles = ROWS.map(([, { title }]) => title)
  const lines = ROWS.map(([from, { title }]) => {
    const found = ROWS.map(([to]) => cells.get(`${from} ${to}`)!.join(', '))
    return `| ${title} | ${found.join(' | ')} |`
  })
  return `| from \\ to | ${titles.join(' | ')} |\n|---|${titles.map(() => '---|').join('')}\n${lines.join('\n')}\n`
}
