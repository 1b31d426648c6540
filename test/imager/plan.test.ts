import test from 'ava'
import { ToolError } from '../../src/cli/exit.js'
import { parseWords } from '../../src/cli/launch.js'
import { planOf } from '../../src/imager/plan.js'
import { shellLine } from '../../src/imager/shell.js'
import { imager } from '../../src/imager.js'

const { tool } = imager('linpmem')

/** The pipeline for a command line; a stream that is exported is called by its URN, as the imager looks it up. */
function pipelineOf(...words: string[]): string {
  const given = parseWords(tool, words)
  const { options } = given
  return shellLine(
    planOf(given, options.flag('export') ? `aff4://volume/${options.value('export')}` : undefined),
  )
}

/** Command lines of the pmem suite's manual, with the words that a shell makes of them. */
const SUITE: [string, string][] = [
  ['-o test.aff4', 'pmem-read | pmem-compress zlib | aff4-sink -- test.aff4'],
  [
    '-o /tmp/myimage.aff4 -c snappy -t',
    'pmem-read | pmem-compress snappy | aff4-sink -t -- /tmp/myimage.aff4',
  ],
  [
    '-i /bin/bash /bin/bsd-csh /bin/bunzip2 -o /tmp/test.aff4',
    'file-cat -- /bin/bash /bin/bsd-csh /bin/bunzip2 | pmem-compress zlib | aff4-sink -- /tmp/test.aff4',
  ],
  ['-V images/server.aff4', 'aff4-view -- images/server.aff4'],
  [
    '--export c:/pagefile.sys --output /tmp/pagefile.sys images/server.aff4',
    'aff4-cat --stream aff4://volume/c:/pagefile.sys -- images/server.aff4 | raw-sink -- /tmp/pagefile.sys',
  ],
  [
    '-e dev/sda -o /tmp/myfile my_volume.aff4',
    'aff4-cat --stream aff4://volume/dev/sda -- my_volume.aff4 | raw-sink -- /tmp/myfile',
  ],
]
for (const [words, pipeline] of SUITE)
  test(`the suite's command line: linpmem ${words}`, (t) => t.is(pipelineOf(...words.split(' ')), pipeline))

test('-i takes words up to the next option, and may be given again', (t) => {
  const expected = 'file-cat -- a b | pmem-compress zlib | aff4-sink -- out.aff4'
  for (const words of [
    '-i a b -o out.aff4',
    '-i a -i b -o out.aff4',
    '-ia b -o out.aff4',
    '--input=a b --output=out.aff4',
    '--input a --input b --output out.aff4',
    '-o out.aff4 -i a b --',
    '-o out.aff4 -i a b',
    '-vi a b -qo out.aff4',
  ])
    t.is(pipelineOf(...words.split(' ')), expected, words)
})

test('what changes fastest comes first, and all of it must come', (t) => {
  t.is(
    pipelineOf('-i', '/bin/ls', '-m', '-p', '/swap', 'c:\\pagefile.sys', '-c', 'lz4', '-o', 'a b.aff4'),
    "(pmem-read; file-cat --category memory:pagefile -- /swap 'c:\\pagefile.sys'; file-cat -- /bin/ls) | pmem-compress lz4 | aff4-sink --expect 3 -- 'a b.aff4'",
  )
})

test('--elf makes a core of the memory, or of a stream', (t) => {
  t.is(pipelineOf('--elf', '-o', 'core'), 'pmem-read --no-collect | elf-sink -- core')
  t.is(pipelineOf('--elf', '-m', '-t', '-o', 'core'), 'pmem-read --no-collect | elf-sink -t -- core')
  t.is(
    pipelineOf('--elf', '-e', 'proc/kcore', '-o', 'core', 'v.aff4'),
    'aff4-cat --stream aff4://volume/proc/kcore -- v.aff4 | elf-sink -- core',
  )
})

test('what opens an encrypted volume goes to the tool that reads it', (t) => {
  t.is(
    pipelineOf('-V', '--password-fd', '3', '--key', 'my.key', 'v.aff4'),
    'aff4-view --password-fd=3 --key=my.key -- v.aff4',
  )
  t.is(
    pipelineOf('-e', 'x', '--key', '-', '-o', 'out', 'v.aff4'),
    'aff4-cat --stream aff4://volume/x --key=- -- v.aff4 | raw-sink -- out',
  )
})

test('a shell takes every word as it is', (t) => {
  const words = ["it's", '$HOME', '*', '-x', '', 'new\nline', 'é', '~', 'a;b']
  t.is(
    shellLine({ tool: 'file-cat', words }),
    "file-cat 'it'\\''s' '$HOME' '*' -x '' 'new\nline' 'é' '~' 'a;b'",
  )
})

const REFUSED: [string, string][] = [
  ['', '--output: an output file is missing'],
  ['-i small', '--output: an output file is missing'],
  ['-e small case.aff4', '--output: an output file is missing'],
  ['-V', '-V: no volume is given'],
  ['-e x -o out', '-e aff4://volume/x: no volume is given'],
  ['-o out case.aff4', 'case.aff4: a volume is given, and neither -V nor -e'],
  ['-i', '-i: needs a value (FILE…)'],
  ['-i -o out', '-i: needs a value (FILE…)'],
  ['-i --', '-i: needs a value (FILE…)'],
  ['-o out -o out', '-o: given twice'],
  ['-i small -o out -c deflate', '-c deflate: not one of none, zlib, snappy, lz4'],
  ['-m --key k -o out', '--key: only with -V and -e'],
  ['-i small -e x -o out case.aff4', '-e does not go with --input'],
  ['-V -i small -o out', '-V does not go with --input'],
  [
    '--elf -i small -o out',
    '--elf does not go with --input and --pagefile: an ELF file cannot hold several streams',
  ],
  [
    '--elf -p small -o out',
    '--elf does not go with --input and --pagefile: an ELF file cannot hold several streams',
  ],
  ['--elf -c zlib -o out', '--elf does not go with --compression: an ELF file is not compressed'],
]
for (const [words, message] of REFUSED)
  test(`refused: linpmem ${words}`, (t) => {
    const error = t.throws(() => pipelineOf(...words.split(' ').filter(Boolean)), { instanceOf: ToolError })
    t.deepEqual([error?.exitCode, error?.message], [64, message])
  })
