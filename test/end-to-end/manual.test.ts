import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'

const ROOT = process.cwd()
const PATH = `${path.join(ROOT, 'bin')}:${process.env.PATH}`
const tools = readdirSync('bin')
const pages = readdirSync('man')

/** What an example may need that a test machine need not have: `.\" needs: …` before its `.nf`. */
const NEEDS = ['physical memory', 'another host', 'a block device']

interface Example {
  script: string
  needs: string | undefined
}

/** The literal blocks of a page's EXAMPLES, as a reader would paste them. */
function examplesOf(page: string): Example[] {
  const text = readFileSync(path.join('man', page), 'utf8')
  const section = /^\.SH EXAMPLES\n(.*?)(?=^\.SH |(?![\s\S]))/ms.exec(text)?.[1] ?? ''
  return [...section.matchAll(/(?:^\.\\" needs: ([^\n]*)\n)?^\.nf\n(.*?)^\.fi$/gms)].map(
    ([, needs, body]) => ({
      script: body!
        .replace(/\\-/g, '-')
        .replace(/\\\(aq/g, "'")
        .replace(/\\e/g, '\\')
        .replace(/\\f[BIR]/g, ''),
      needs,
    }),
  )
}

for (const tool of tools) {
  test(`${tool} has a man page with examples that name it`, (t) => {
    t.true(pages.includes(`${tool}.1`))
    const examples = examplesOf(`${tool}.1`)
    t.true(examples.length > 0)
    t.true(examples.some(({ script }) => script.includes(tool)))
  })
}

for (const page of pages)
  for (const [index, { script, needs }] of examplesOf(page).entries()) {
    if (needs !== undefined) {
      test(`example ${index + 1} of ${page} says what it needs: ${needs}`, (t) => {
        t.true(NEEDS.includes(needs))
      })
      continue
    }
    test(`example ${index + 1} of ${page} runs as printed`, (t) => {
      const cwd = mkdtempSync(path.join(tmpdir(), 'pmem-manual-'))
      try {
        const run = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', script], {
          cwd,
          encoding: 'utf8',
          env: { ...process.env, PATH },
        })
        // 2: complete, with ranges that even their owner cannot read.
        t.true(run.status === 0 || run.status === 2, `${script}${run.stderr}`)
      } finally {
        rmSync(cwd, { recursive: true })
      }
    })
  }
