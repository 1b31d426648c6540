import test from 'ava'
import { ToolError } from '../../src/cli/exit.js'
import { parseWords } from '../../src/cli/launch.js'
import { planOf } from '../../src/imager/plan.js'
import { shellLine } from '../../src/imager/shell.js'
import { imager } from '../../src/imager.js'

const { tool } = imager('linpmem')

/** The pipeline for a command line, where a memory is in the volumes that are named. */
async function pipelineOf(
  words: readonly string[],
  held: readonly string[] = [],
  platform: NodeJS.Platform = 'linux',
): Promise<string> {
  const inquiry = {
    streamCalled: async (name: string) => `aff4://volume/${name.replace(/^\//, '')}`,
    holdsMemory: async (volume: string) => held.includes(volume),
    isKept: (file: string) => /\\pagefile\.sys$/.test(file),
  }
  return shellLine(await planOf(parseWords(tool, words), inquiry, platform))
}

/** Command lines from the pmem suite's manual, its README and what its author and users wrote, as a shell splits them. */
const SUITE: [string, string][] = [
  ['winpmem_2.0.1.exe -o test.aff4', 'pmem-read | pmem-compress zlib | aff4-sink -- test.aff4'],
  ['osxpmem -o /tmp/test.aff4', 'pmem-read | pmem-compress zlib | aff4-sink -- /tmp/test.aff4'],
  [
    'winpmem_2.0.1.exe --compression snappy -o test.aff4',
    'pmem-read | pmem-compress snappy | aff4-sink -- test.aff4',
  ],
  [
    'pmem_imager -o /tmp/myimage.aff4 -c snappy -t',
    'pmem-read | pmem-compress snappy | aff4-sink -t -- /tmp/myimage.aff4',
  ],
  ['linpmem -d -o test.aff4', 'pmem-read | pmem-compress zlib | aff4-sink -- test.aff4'],
  ['linpmem --output image.1.aff4', 'pmem-read | pmem-compress zlib | aff4-sink -- image.1.aff4'],
  ['linpmem --elf -o test.elf', 'pmem-read --no-collect | elf-sink -- test.elf'],
  [
    'linpmem -i /bin/bash /bin/bsd-csh /bin/bunzip2 -o /tmp/test.aff4',
    'file-cat -- /bin/bash /bin/bsd-csh /bin/bunzip2 | pmem-compress zlib | aff4-sink -- /tmp/test.aff4',
  ],
  [
    'pmem_imager -i /boot/* -o /tmp/myimage.aff4',
    "file-cat -- '/boot/*' | pmem-compress zlib | aff4-sink -- /tmp/myimage.aff4",
  ],
  [
    'winpmem -o dump.aff4 -p c:\\pagefile.sys -p d:\\pagefile.sys',
    "(pmem-read; file-cat --category memory:pagefile -- 'c:\\pagefile.sys' 'd:\\pagefile.sys') | pmem-compress zlib | aff4-sink --expect 2 -- dump.aff4",
  ],
  ['linpmem -V images/server.aff4', 'aff4-view -- images/server.aff4'],
  ['winpmem d:\\dump.aff4 -V', "aff4-view -- 'd:\\dump.aff4'"],
  [
    'linpmem --export /c:/pagefile.sys --output /tmp/pagefile.sys images/server.aff4',
    'aff4-cat --stream=aff4://volume/c:/pagefile.sys -- images/server.aff4 | raw-sink -- /tmp/pagefile.sys',
  ],
  [
    'pmem_imager -e boot/vmlinuz-3.13.0-44-generic -o /tmp/vmlinuz /tmp/myimage.aff4',
    'aff4-cat --stream=aff4://volume/boot/vmlinuz-3.13.0-44-generic -- /tmp/myimage.aff4 | raw-sink -- /tmp/vmlinuz',
  ],
  [
    'linpmem -e /dev/sda -o /tmp/myfile my_volume.aff4',
    'aff4-cat --stream=aff4://volume/dev/sda -- my_volume.aff4 | raw-sink -- /tmp/myfile',
  ],
  [
    'linpmem memory.aff4 -e PhysicalMemory -o memory.raw',
    'aff4-cat --stream=aff4://volume/PhysicalMemory -- memory.aff4 | raw-sink -- memory.raw',
  ],
]
for (const [words, pipeline] of SUITE)
  test(`the suite's command line: ${words}`, async (t) =>
    t.is(await pipelineOf(words.split(' ').slice(1)), pipeline))

test('what is said of the space is said to the sink', async (t) => {
  const words = ['--ignore-space', '--max-disk-usage', '80%', '-o', 'out.aff4', '-t']
  t.is(
    await pipelineOf(words),
    'pmem-read | pmem-compress zlib | aff4-sink -t --ignore-space --max-disk-usage=80% -- out.aff4',
  )
  await t.throwsAsync(pipelineOf(['-V', '--ignore-space', 'out.aff4']), { message: /-V does not go with/ })
})

test('on Windows page files come with the memory, else from their volumes', async (t) => {
  const words = ['-o', 'dump.aff4', '-p', 'c:\\pagefile.sys', 'D:\\swap\\pagefile.sys']
  t.is(await pipelineOf(words, [], 'win32'), 'pmem-read | pmem-compress zlib | aff4-sink -- dump.aff4')
  t.is(
    await pipelineOf(words, ['dump.aff4'], 'win32'),
    "(ntfs-cat -- '\\\\.\\c:' pagefile.sys; ntfs-cat -- '\\\\.\\D:' 'swap\\pagefile.sys') | pmem-compress zlib | aff4-sink --expect 2 -- dump.aff4",
  )
  t.is(
    await pipelineOf([...words, 'E:\\copy'], [], 'win32'),
    "(pmem-read; file-cat --category memory:pagefile -- 'E:\\copy') | pmem-compress zlib | aff4-sink --expect 2 -- dump.aff4",
    'a copy is a file like others',
  )
})

test('-i takes words up to the next option, and may be given again', async (t) => {
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
    t.is(await pipelineOf(words.split(' ')), expected, words)
})

test('what changes fastest comes first, and all of it must come', async (t) => {
  t.is(
    await pipelineOf([
      '-i',
      '/bin/ls',
      '-m',
      '-p',
      '/swap',
      'c:\\pagefile.sys',
      '-c',
      'lz4',
      '-o',
      'a b.aff4',
    ]),
    "(pmem-read; file-cat --category memory:pagefile -- /swap 'c:\\pagefile.sys'; file-cat -- /bin/ls) | pmem-compress lz4 | aff4-sink --expect 3 -- 'a b.aff4'",
  )
})

test('page files come with the memory, but where files are asked for or it is there already', async (t) => {
  const pageFile = 'file-cat --category memory:pagefile -- /swap'
  const into = 'pmem-compress zlib | aff4-sink'
  for (const [words, expected] of [
    ['-p /swap -o case.aff4', `(pmem-read; ${pageFile}) | ${into} --expect 2 -- case.aff4`],
    ['-p /swap -o held.aff4', `${pageFile} | ${into} -- held.aff4`],
    ['-m -p /swap -o held.aff4', `(pmem-read; ${pageFile}) | ${into} --expect 2 -- held.aff4`],
    ['-t -p /swap -o held.aff4', `(pmem-read; ${pageFile}) | ${into} -t --expect 2 -- held.aff4`],
    ['-p /swap -i /etc -o case.aff4', `(${pageFile}; file-cat -- /etc) | ${into} --expect 2 -- case.aff4`],
  ] as const)
    t.is(await pipelineOf(words.split(' '), ['held.aff4']), expected, words)
})

test('a memory is acquired once, and again only when told to', async (t) => {
  const again = (words: string) => pipelineOf(words.split(' '), ['held.aff4'])
  const error = await t.throwsAsync(again('-o held.aff4'), { instanceOf: ToolError })
  t.deepEqual([error?.exitCode, error?.message], [73, 'held.aff4: holds a memory already'])
  for (const words of ['-m -o held.aff4', '-t -o held.aff4', '--elf -o held.aff4'])
    t.regex(await again(words), /^pmem-read/)
})

test('how many pages are read again goes to the source of the memory', async (t) => {
  for (const [words, expected] of [
    [
      '--resample 64 --seed 7 -o v.aff4',
      'pmem-read --resample=64 --seed=7 | pmem-compress zlib | aff4-sink -- v.aff4',
    ],
    ['--elf --resample 0 -o core', 'pmem-read --no-collect --resample=0 | elf-sink -- core'],
  ] as const)
    t.is(await pipelineOf(words.split(' ')), expected)
})

test('--elf makes a core of the memory, or of a stream', async (t) => {
  for (const [words, expected] of [
    ['--elf -o core', 'pmem-read --no-collect | elf-sink -- core'],
    ['--elf -m -t -o core', 'pmem-read --no-collect | elf-sink -t -- core'],
    [
      '--elf -e proc/kcore -o core v.aff4',
      'aff4-cat --stream=aff4://volume/proc/kcore -- v.aff4 | elf-sink -- core',
    ],
  ] as const)
    t.is(await pipelineOf(words.split(' ')), expected)
})

test('what opens an encrypted volume goes to the tool that reads it', async (t) => {
  for (const [words, expected] of [
    ['-V --password-fd 3 --key my.key v.aff4', 'aff4-view --password-fd=3 --key=my.key -- v.aff4'],
    ['-e x --key - -o out v.aff4', 'aff4-cat --stream=aff4://volume/x --key=- -- v.aff4 | raw-sink -- out'],
  ] as const)
    t.is(await pipelineOf(words.split(' ')), expected)
})

test('a shell takes every word as it is', (t) => {
  const words = ["it's", '$HOME', '*', '-x', '', 'new\nline', 'é', '~', 'a;b']
  t.is(
    shellLine({ tool: 'file-cat', words }),
    "file-cat 'it'\\''s' '$HOME' '*' -x '' 'new\nline' 'é' '~' 'a;b'",
  )
})

test('on Windows the pipeline is one for cmd', (t) => {
  const plan = {
    sources: [
      { tool: 'ntfs-cat', words: ['--', '\\\\.\\C:', 'pagefile.sys'] },
      { tool: 'file-cat', words: ['--', 'D:\\a b\\', "it's", ''] },
    ],
    transforms: [{ tool: 'pmem-compress', words: ['zlib'] }],
    sink: { tool: 'aff4-sink', words: ['--', 'E:\\R&D.aff4'] },
  }
  t.is(
    shellLine(plan, 'win32'),
    '(ntfs-cat -- \\\\.\\C: pagefile.sys & file-cat -- "D:\\a b\\\\" "it\'s" "") | pmem-compress zlib | aff4-sink -- "E:\\R&D.aff4"',
  )
})

const REFUSED: [string, string][] = [
  ['', '--output: an output file is missing'],
  ['-i small', '--output: an output file is missing'],
  ['-e small case.aff4', '--output: an output file is missing'],
  ['-V', '-V: no volume is given'],
  ['-e x -o out', '-e x: no volume is given'],
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
  ['-i small --resample 5 -o out', 'an acquisition without memory does not go with --resample'],
  ['-V --seed 5 v.aff4', '-V does not go with --seed'],
  ['-e x --seed 5 -o out v.aff4', '-e does not go with --seed'],
  ['-dmt -d -o out', '-d: given twice'],
  ['-V -e x -o out v.aff4', '-V does not go with --export'],
  ['--elf -c zlib -o out', '--elf does not go with --compression: an ELF file is not compressed'],
]
for (const [words, message] of REFUSED)
  test(`refused: linpmem ${words}`, async (t) => {
    const error = await t.throwsAsync(pipelineOf(words.split(' ').filter(Boolean)), { instanceOf: ToolError })
    t.deepEqual([error?.exitCode, error?.message], [64, message])
  })
