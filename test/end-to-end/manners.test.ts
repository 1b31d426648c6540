import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { onTerminal } from '../cli/shell.js'

/** What each tool is given to work on, and what it reads from standard input. */
const TOOLS: Record<string, { role: 'source' | 'transform' | 'sink' | 'report'; operands: string }> = {
  'aff4-cat': { role: 'source', operands: 'large.aff4' },
  'aff4-ls': { role: 'report', operands: 'large.aff4' },
  'aff4-recover': { role: 'report', operands: 'large.aff4 -' },
  'aff4-sink': { role: 'sink', operands: 'out.aff4' },
  'aff4-verify': { role: 'report', operands: 'large.aff4' },
  'aff4-view': { role: 'report', operands: 'large.aff4' },
  'avml-sink': { role: 'sink', operands: 'out.avml' },
  'crashdump-sink': { role: 'sink', operands: 'out.dmp' },
  'elf-sink': { role: 'sink', operands: 'out.elf' },
  'ewf-sink': { role: 'sink', operands: 'out.E01' },
  'file-cat': { role: 'source', operands: 'large' },
  'files-sink': { role: 'sink', operands: '-C out' },
  'image-cat': { role: 'source', operands: 'large' },
  'image-info': { role: 'report', operands: 'large.aff4' },
  'image-verify': { role: 'report', operands: 'large.aff4' },
  'kdump-sink': { role: 'sink', operands: 'out.kdump' },
  'lime-sink': { role: 'sink', operands: 'out.lime' },
  linpmem: { role: 'report', operands: '-V large.aff4' },
  'ntfs-cat': { role: 'source', operands: 'disk.img 2' },
  'ntfs-dump': { role: 'report', operands: 'disk.img 2' },
  'ntfs-export': { role: 'report', operands: '--json journal.ntfs 5 -C exported' },
  'ntfs-ls': { role: 'report', operands: 'disk.img' },
  'ntfs-stat': { role: 'report', operands: 'disk.img' },
  'ntfs-usn': { role: 'report', operands: 'journal.ntfs' },
  osxpmem: { role: 'report', operands: '-V large.aff4' },
  pmem: { role: 'report', operands: '-V large.aff4' },
  'pmem-chunk': { role: 'transform', operands: '4k' },
  'pmem-compress': { role: 'transform', operands: 'zlib' },
  'pmem-decompress': { role: 'transform', operands: '' },
  'pmem-frames': { role: 'report', operands: '' },
  'pmem-hash': { role: 'transform', operands: 'sha256' },
  'pmem-progress': { role: 'transform', operands: '' },
  'pmem-read': { role: 'source', operands: '' },
  'pmem-read-kcore': { role: 'source', operands: '' },
  'pmem-read-osxpmem': { role: 'source', operands: '--device mac' },
  'pmem-read-process': { role: 'source', operands: 'self' },
  'pmem-read-ssh': { role: 'source', operands: 'far' },
  'pmem-read-winpmem': { role: 'source', operands: '' },
  'pmem-select': { role: 'transform', operands: '--range 0-1t' },
  'pmem-tee': { role: 'sink', operands: 'out.frames' },
  'pmem-throttle': { role: 'transform', operands: '1G' },
  'raw-sink': { role: 'sink', operands: 'out.raw' },
  winpmem: { role: 'report', operands: '-V large.aff4' },
  'zip-sink': { role: 'sink', operands: 'out.zip' },
}
/** They may be refused before they write anything. */
const NEED_PRIVILEGES = ['pmem-read', 'pmem-read-kcore', 'pmem-read-ssh', 'pmem-read-winpmem']
const NO_OPERAND_NEEDED = ['pmem-select', 'pmem-chunk', 'pmem-read-osxpmem']

const tools = readdirSync('bin')
const folder = mkdtempSync(path.join(tmpdir(), 'pmem-manners-'))
const env = { ...process.env, PATH: `${path.resolve('bin')}:${process.env.PATH}` }
const sh = (script: string) => spawnSync('bash', ['-c', script], { cwd: folder, env, encoding: 'utf8' })

test.before((t) => {
  // More than pipes hold, and nothing that a codec could make small.
  writeFileSync(path.join(folder, 'large'), randomBytes(8 << 20))
  t.is(sh('file-cat large > large.frames').status, 0)
  t.is(sh('truncate -s 64M disk.img; mkntfs -q -F disk.img').status, 0)
  const mac = `meta: {pmem_api_version: 2}\nrecords: [{type: efi_range, efi_type: EfiLoaderData, start: 0, length: 8388608}]\n`
  writeFileSync(path.join(folder, 'mac_info'), mac)
  t.is(sh('cp large mac').status, 0)
  const journal = sh(`truncate -s 4M journal.ntfs; mkntfs -F -q journal.ntfs; : > empty
    (printf '\\100\\0\\0\\0\\2'; head -c 11 /dev/zero; printf '\\5'; head -c 41 /dev/zero; printf '<') > record
    truncate -s 64 record; ntfscp -f -q journal.ntfs empty '/$Extend/$UsnJrnl'
    ntfscp -f -q -N '$J' journal.ntfs record '/$Extend/$UsnJrnl'`)
  t.is(journal.status, 0, journal.stderr)
  if (tools.includes('aff4-cat')) t.is(sh('aff4-sink large.aff4 < large.frames').stderr, '')
})
test.after.always(() => rmSync(folder, { recursive: true }))

test('every launcher is held to these manners', (t) => {
  t.deepEqual(
    tools.filter((tool) => !(tool in TOOLS)),
    [],
  )
})

test('a source that is refused says why, though nobody reads its frames', (t) => {
  for (const bytes of [0, 1, 1000]) {
    const { stdout, stderr } = sh(`file-cat nowhere | head -c ${bytes} > /dev/null; echo \${PIPESTATUS[0]}`)
    t.is(stdout, '66\n')
    t.is(stderr, 'file-cat: nowhere: no such file or directory\n')
  }
})

for (const [tool, { role, operands }] of Object.entries(TOOLS).filter(([tool]) => tools.includes(tool))) {
  const run = `${tool} ${operands}`
  const readsFrames = role === 'transform' || role === 'sink' || tool === 'pmem-frames'
  const writesFrames = role === 'source' || role === 'transform'
  const input = readsFrames ? '< large.frames' : ''

  test(`${tool} names an option that it does not know, and shows its usage`, (t) => {
    const { status, stdout, stderr } = sh(`${run} --nonsense`)
    t.is(status, 64)
    t.is(stdout, '')
    t.regex(stderr, new RegExp(`^${tool}: --nonsense: unknown option\nhint: usage: ${tool} .*\n$`))
  })

  if (operands !== '' && !NO_OPERAND_NEEDED.includes(tool))
    test(`${tool} says that an operand is missing`, (t) => {
      const { status, stderr } = sh(`${tool} ${input}`)
      t.is(status, 64)
      t.regex(stderr, new RegExp(`^${tool}: .*missing\nhint: usage: ${tool} .*\n$`))
    })

  if (readsFrames)
    test(`${tool} does not wait for frames from a terminal`, (t) => {
      const { status, stdout } = sh(onTerminal(`${run} > seen`))
      t.is(status, 64)
      t.regex(stdout, new RegExp(`${tool}: standard input is a terminal\r?\nhint: `))
    })

  if (writesFrames && !NEED_PRIVILEGES.includes(tool)) {
    test(`${tool} writes no frames to a terminal`, (t) => {
      const { status, stdout } = sh(onTerminal(`${run} ${input}`))
      t.is(status, 64)
      t.regex(stdout, new RegExp(`^${tool}: standard output is a terminal.*\r?\nhint: .*\r?\n$`))
    })

    test(`${tool} ends quietly when nobody reads on`, (t) => {
      const { stdout, stderr } = sh(`${run} ${input} | head -c 10 > /dev/null; echo \${PIPESTATUS[0]}`)
      t.is(stdout, '141\n')
      t.is(stderr, '')
    })
  }

  if (role !== 'sink' && !NEED_PRIVILEGES.includes(tool))
    test(`${tool} says in one line that its output is full`, (t) => {
      const { status, stderr } = sh(`${run} ${input} > /dev/full`)
      t.is(status, 74)
      t.is(stderr, `${tool}: standard output: no space left on device\n`)
    })

  // Its outputs stand below a folder that may be there.
  if (role === 'sink' && tool !== 'files-sink')
    test(`${tool} keeps what stands at its output, and says how to replace it`, (t) => {
      sh(`echo evidence > kept-${operands}`)
      const { status, stderr } = sh(`${tool} kept-${operands} ${input}; cat kept-${operands}`)
      t.is(status, 0)
      t.regex(stderr, new RegExp(`^${tool}: kept-${operands}: .*\nhint: .*\n$`))
    })
}
