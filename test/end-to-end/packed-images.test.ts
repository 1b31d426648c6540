import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { deflateSync } from 'node:zlib'
import test from 'ava'

const env = { ...process.env, PATH: `${path.resolve('bin')}:${process.env.PATH}` }
const lime = path.resolve('test/data/images/t.lime')

/** How an image is packed, and the name that it then has. */
const PACKED: Record<string, { pack: string; name: string; what: RegExp }> = {
  gzip: { pack: 'gzip -c "$0"', name: "suspect's memory.lime.gz", what: /is a gzip file/ },
  xz: { pack: 'xz -c "$0"', name: 'memory.lime.xz', what: /is an xz file/ },
  bzip2: { pack: 'bzip2 -c "$0"', name: 'memory.lime.bz2', what: /is a bzip2 file/ },
  zstd: { pack: 'zstd -c "$0"', name: 'memory.lime.zst', what: /is a zstd file/ },
  lz4: { pack: 'lz4 -c "$0"', name: 'memory.lime.lz4', what: /is an lz4 file/ },
  lzop: { pack: 'lzop -c "$0"', name: 'memory.lime.lzo', what: /is an lzop file/ },
  '7z': { pack: 'cat "$0" | 7z a -bd -si to.7z > log; cat to.7z', name: 'memory.7z', what: /is a 7z file/ },
  zip: {
    pack: '/usr/bin/python3 -m zipfile -c to.zip "$0"; cat to.zip',
    name: 'memory.zip',
    what: /not an AFF4 volume: nothing in it says its URN/,
  },
}

for (const [how, { pack, name, what }] of Object.entries(PACKED))
  test(`an image in ${how} is named with a command that unpacks it, and that is read`, (t) => {
    const cwd = mkdtempSync(path.join(tmpdir(), 'pmem-packed-'))
    t.teardown(() => rmSync(cwd, { recursive: true }))
    const run = (script: string, ...words: string[]) =>
      spawnSync('bash', ['-ec', script, ...words], { cwd, env })
    const packed = run(pack, lime)
    t.is(packed.status, 0, String(packed.stderr))
    writeFileSync(path.join(cwd, name), packed.stdout)
    // What stands there is not overwritten.
    writeFileSync(path.join(cwd, 'memory.lime'), 'evidence')

    const refused = run('image-cat "$0"', name)
    t.is(refused.status, 65)
    t.regex(String(refused.stderr), what)
    const [, command, target] = /^hint: (.* > (.+))$/m.exec(String(refused.stderr)) ?? []
    t.is(run(command!).status, 0)
    t.deepEqual(run(`cat ${target}`).stdout, readFileSync(lime))
    t.is(run(`image-cat ${target} > frames`).status, 0)
    t.is(readFileSync(path.join(cwd, 'memory.lime'), 'utf8'), 'evidence')
  })

test('what LiME compressed is named with a command that inflates it, and two bytes alone are no zlib stream', (t) => {
  const cwd = mkdtempSync(path.join(tmpdir(), 'pmem-packed-'))
  t.teardown(() => rmSync(cwd, { recursive: true }))
  const run = (script: string) => spawnSync('bash', ['-c', script], { cwd, env, encoding: 'utf8' })
  const large = Buffer.concat([readFileSync(lime), Buffer.alloc(1 << 20, 'x')])
  for (const [content, windowBits] of [
    [readFileSync(lime), 11],
    [large, 15],
  ] as const) {
    writeFileSync(path.join(cwd, 'memory.zlib'), deflateSync(content, { windowBits }))
    const { status, stderr } = run('image-cat memory.zlib')
    t.is(status, 65)
    t.regex(stderr, /is a zlib stream\nhint: pigz -dc < memory.zlib > memory\n/)
    t.is(run('pigz -dc < memory.zlib > memory').status, 0)
    t.deepEqual(readFileSync(path.join(cwd, 'memory')), content)
    rmSync(path.join(cwd, 'memory'))
  }
  writeFileSync(path.join(cwd, 'raw'), Buffer.concat([Buffer.from('789c', 'hex'), Buffer.alloc(4096, 0xfe)]))
  t.is(run('image-cat raw > frames').status, 0)
})
