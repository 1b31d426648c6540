import fs from 'node:fs'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { bytesAt } from '../cli/sample/bytes.js'
import { openShell, type Shell } from '../cli/shell.js'
import { data, memory, ranges, stream, transmission } from './pipeline.js'

// How much a file system has is told by df, on a small one of a test's own.

const MIB = 1 << 20
/** Of the file beside an image that tells what is not in it. */
const MAP = 4096

/** A bash script in which `disk` is a file system of that size; what it leaves there is copied to `left`. */
const onDisk = (size: string, script: string) =>
  `mkdir disk left; unshare --map-root-user --mount bash -c '
     mount -t tmpfs -o size=${size} tmpfs disk || exit 99
     free() { df -B1 --output=avail disk | tail -n 1 | tr -d " "; }; used() { df -B1 --output=used disk | tail -n 1 | tr -d " "; }
     ${script.replaceAll("'", "'\\''")}
     status=$?; cp -a disk/. left; exit $status'`

const left = ({ folder }: Shell) => fs.readdirSync(path.join(folder, 'left')).sort()

function isBegun(t: ExecutionContext, { folder }: Shell, name: string): void {
  const evidence = fs.readFileSync(path.join(folder, name))
  t.true(evidence.length > 0)
  t.true(evidence.equals(bytesAt(0, evidence.length)))
}

/** What each sink calls its output there. */
const SINKS: Record<string, string> = {
  'aff4-sink': 'disk/out.aff4',
  'avml-sink': 'disk/out.avml',
  'crashdump-sink': 'disk/out.dmp',
  'elf-sink': 'disk/out.core',
  'ewf-sink': 'disk/out.E01',
  'files-sink': '-C disk/out',
  'kdump-sink': 'disk/out.kdump',
  'lime-sink': 'disk/out.lime',
  'raw-sink': 'disk/out.raw',
  'zip-sink': 'disk/out.zip',
}

for (const [sink, out] of Object.entries(SINKS))
  test(`${sink} refuses what does not fit before its first byte, and says what is free`, async (t) => {
    const shell = openShell(t)
    const { status, stdout, stderr } = await shell.run(
      onDisk('8M', `free; sample-source --map --announce --size 16M 2>/dev/null | ${sink} ${out}`),
    )
    t.is(status, 73, stderr)
    t.is(stdout.toString(), `${8 * MIB}\n`)
    const name = out.replace('-C ', '')
    t.regex(
      stderr,
      new RegExp(
        `^${sink}: ${name}: 16\\.\\d MiB uncompressed do not fit: 8\\.0 MiB are free in .*/disk`,
        'm',
      ),
    )
    t.regex(stderr, /^hint: --ignore-space begins all the same: /m)
    t.deepEqual(left(shell), [])
  })

test('what fits to the last byte that df shows is written, a page more is refused', async (t) => {
  const shell = openShell(t)
  const { status, stdout } = await shell.run(
    onDisk(
      '4M',
      `head -c 1M /dev/zero > disk/other; all=$(free)
       sample-source --size $((all + 4096)) | raw-sink disk/out.raw 2>/dev/null; echo $?
       sample-source --size $all | raw-sink disk/out.raw; echo $?; free`,
    ),
  )
  t.is(status, 0)
  t.is(stdout.toString(), '73\n0\n0\n')
})

test('--ignore-space: what is compressed may fit, and a full disk keeps what came before', async (t) => {
  const shell = openShell(t)
  const { stdout } = await shell.run(
    onDisk(
      '8M',
      `yes | head -c 16M > ../small; file-cat ../small | pmem-compress zlib | aff4-sink --ignore-space disk/fits.aff4; echo $?
       sample-source --size 16M 2>/dev/null | raw-sink --ignore-space disk/out.raw 2>/dev/null; echo $?`,
    ).replaceAll('../small', 'small'),
  )
  t.is(stdout.toString(), '0\n74\n')
  t.true(left(shell).includes('fits.aff4'))
  isBegun(t, shell, 'left/out.partial.raw')
})

test('-t: the partial file that goes makes room, the one that is replaced only in the end does not', async (t) => {
  const shell = openShell(t)
  const { stdout, stderr } = await shell.run(
    onDisk(
      '8M',
      `head -c 5M /dev/zero > disk/out.partial.raw; sample-source --size 9M 2>/dev/null | raw-sink -t disk/out.raw; echo $?
       stat -c %s disk/out.partial.raw; sample-source --size 6M | raw-sink -t disk/out.raw; echo $?
       sample-source --size 6M 2>/dev/null | raw-sink -t disk/out.raw; echo $?`,
    ),
  )
  t.is(stdout.toString(), `73\n${5 * MIB}\n0\n73\n`, stderr)
  t.deepEqual(left(shell), ['out.raw'])
})

test('only what is appended to a volume has to fit', async (t) => {
  const shell = openShell(t)
  const { stdout, stderr } = await shell.run(
    onDisk(
      '16M',
      `sample-source A --size 8M | aff4-sink disk/out.aff4; sample-source B --size 4M | aff4-sink disk/out.aff4; echo $?
       sample-source C --size 8M 2>/dev/null | aff4-sink disk/out.aff4 2>/dev/null; echo $?
       aff4-ls disk/out.aff4 | grep -c "[AB]$"`,
    ),
  )
  t.regex(stdout.toString(), /^0\n73\n/, stderr)
  t.deepEqual(left(shell), ['out.aff4'])
})

test('a later stream that may not fit is only warned of: compressed it may', async (t) => {
  const shell = openShell(t)
  const { status, stdout, stderr } = await shell.run(
    onDisk(
      '8M',
      `yes | head -c 16M > ../small; (sample-source A; file-cat ../small) | pmem-compress zlib | aff4-sink --expect 2 disk/out.aff4`,
    ).replaceAll('../small', 'small'),
  )
  t.is(status, 0, stderr)
  t.is(stdout.toString(), '')
  t.regex(stderr, /^aff4-sink: .*small: may not fit: disk\/out\.aff4: 16\.0 MiB uncompressed do not fit: /)
})

test('pipes, devices and standard output are not asked', async (t) => {
  const { run } = openShell(t)
  const { stdout, stderr } = await run(
    onDisk(
      '8M',
      `cd disk; mkfifo p; cat p >/dev/null & sample-source --size 16M | raw-sink --max-disk-usage 1M p; echo $?
       sample-source --size 16M | raw-sink - | wc -c; sample-source --size 16M | raw-sink /dev/null; echo $?; cd ..`,
    ),
  )
  t.is(stdout.toString(), `0\n${16 * MIB}\n0\n`, stderr)
})

test('raw-sink needs the span of a memory, with --holes seek and skip only what is there', async (t) => {
  const shell = openShell(t)
  const far = 64n << 20n
  const body = memory({ ranges: ranges([0n, 0x1000n], [far, 0x1000n]) })
  const page = Buffer.alloc(0x1000, 7)
  fs.writeFileSync(
    path.join(shell.folder, 'frames'),
    transmission(stream(body, [data(0n, page), data(far, page)])),
  )
  const { stdout, stderr } = await shell.run(
    onDisk(
      '8M',
      `for holes in write seek skip; do raw-sink --holes $holes disk/$holes.raw <frames; echo $?; done`,
    ),
  )
  t.is(stdout.toString(), '73\n0\n0\n')
  t.regex(stderr, /^raw-sink: disk\/write\.raw: 64\.0 MiB uncompressed do not fit: /)
  t.deepEqual(left(shell), ['seek.raw', 'seek.raw.map', 'skip.raw', 'skip.raw.map'])
})

for (const [sink, out] of Object.entries(SINKS)) {
  test(`${sink} refuses what is more than --max-disk-usage allows`, async (t) => {
    const shell = openShell(t)
    const { stdout, stderr } = await shell.run(
      onDisk(
        '64M',
        `sample-source --map --announce --size 16M 2>/dev/null | ${sink} --max-disk-usage 15M ${out}; echo $?
         head -c 32M /dev/zero > disk/other; sample-source --map --announce --size 16M 2>/dev/null | ${sink} --max-disk-usage 74% ${out}; echo $?`,
      ),
    )
    t.is(stdout.toString(), '73\n73\n')
    t.regex(stderr, /16\.\d MiB uncompressed are more than --max-disk-usage 15M allows: 15\.0 MiB\nhint: /)
    t.regex(stderr, /16\.\d MiB uncompressed are more than --max-disk-usage 74% allows: 15\.4 MiB\nhint: /)
    t.deepEqual(left(shell), ['other'])
  })

  test(`${sink} stops at what --max-disk-usage allows, where it was told to begin`, async (t) => {
    const shell = openShell(t)
    const { stdout, stderr } = await shell.run(
      onDisk(
        '64M',
        `head -c 16M /dev/zero > disk/other
         sample-source --map --announce --size 32M 2>/dev/null | ${sink} --ignore-space --max-disk-usage 50% ${out}; echo $?; used`,
      ),
    )
    const [status, used] = stdout.toString().trim().split('\n').map(Number)
    t.is(status, 74, stderr)
    t.true(used! <= 32 * MIB + MAP, `${used} bytes in use`)
    // These keep whole files, bevies and records.
    const whole = ['aff4-sink', 'avml-sink', 'zip-sink'].includes(sink)
    t.true(whole || used! > 24 * MIB, `${used} bytes in use`)
    t.regex(stderr, /would take more than --max-disk-usage 50% allows/)
    const kept = sink === 'files-sink' ? fs.readdirSync(path.join(shell.folder, 'left/out')) : left(shell)
    t.true(kept.some((name) => name.includes('partial')))
  })
}

test('a volume that stopped at --max-disk-usage opens with what came before', async (t) => {
  const shell = openShell(t)
  const { status, stderr } = await shell.run(
    onDisk(
      '256M',
      `sample-source --size 160M 2>/dev/null | pmem-compress none | aff4-sink --ignore-space --max-disk-usage 100M disk/out.aff4
       status=$?; aff4-cat disk/out.partial.aff4 | raw-sink - | head -c 64M > kept.raw; exit $status`,
    ),
  )
  t.is(status, 74, stderr)
  isBegun(t, shell, 'kept.raw')
})

test('a usage that is none is a usage error', async (t) => {
  const { run } = openShell(t)
  for (const usage of ['much', '101%', '-5', '5.5', '%']) {
    const { stdout, stderr } = await run(
      `sample-source 2>/dev/null | raw-sink --max-disk-usage=${usage} out.raw; echo $?; ls`,
    )
    t.is(stdout.toString(), '64\n', usage)
    t.true(stderr.startsWith(`raw-sink: --max-disk-usage ${usage}: not a size `), stderr)
  }
})
