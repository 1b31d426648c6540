import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { PARTITION_OFFSET, partitioned } from './disk.js'
import { image } from './image.js'

for (const table of ['mbr', 'gpt'] as const)
  test(`mmls finds the volume on a disk with ${table}, and fls reads it there`, async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'pmem-test-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const { file } = await image('small')
    const disk = path.join(folder, 'disk')
    writeFileSync(disk, partitioned(readFileSync(file), table))
    const first = String(PARTITION_OFFSET / 512)
    const found = execFileSync('mmls', ['-t', table === 'mbr' ? 'dos' : 'gpt', disk], { encoding: 'utf8' })
    t.regex(found, new RegExp(`\\b0*${first} +0*${2048 + 16_384 - 1}\\b`))
    const list = (...words: string[]) => execFileSync('fls', ['-r', '-p', ...words], { encoding: 'utf8' })
    t.is(list('-o', first, disk), list(file))
  })
