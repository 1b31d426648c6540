import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { openShell, type Shell } from './cli/shell.js'
import { typing } from './cli/typing.js'
import { data, memory, stream, transmission } from './sinks/pipeline.js'

const MIB = 1 << 20

/** How this machine answers who wants to read its memory. */
const asked = spawnSync('bash', [
  '-c',
  'bin/pmem-read --no-collect | head -c 1000 >/dev/null; exit $PIPESTATUS',
])
const refused = asked.status !== 141

/** A shell with some files to acquire. */
function withFiles(t: ExecutionContext): Shell {
  const shell = openShell(t)
  const put = (name: string, bytes: Uint8Array | string) =>
    fs.writeFileSync(path.join(shell.folder, name), bytes)
  put('small', 'a few words\n')
  put('two words', 'more of them\n')
  put('large', Buffer.concat([randomBytes(3 * MIB), Buffer.alloc(9 * MIB), randomBytes(MIB)]))
  return shell
}

/** What a volume holds: name, category and digest of each stream, by our own reader. */
async function contents({ run }: Shell, volume: string): Promise<string[]> {
  const { stdout } = await run(`aff4-cat ${volume} | pmem-hash sha256 | pmem-frames --json`)
  let name = ''
  const found: string[] = []
  for (const line of stdout.toString().trimEnd().split('\n')) {
    const { type, body } = JSON.parse(line)
    if (type === 'stream') name = `${body.name} ${body.category ?? '-'}`
    if (type === 'digest' && body.algorithm === 'sha256') found.push(`${name} ${body.value}`)
  }
  return found.sort()
}

test('files go into a volume, and each is told', async (t) => {
  const shell = withFiles(t)
  const { folder } = shell
  const at = pathToFileURL(folder).href
  const { status, stdout, stderr } = await shell.run(
    `linpmem -v -i '[s]mal*' "$PWD/large" -c snappy -o out.aff4 --`,
  )
  t.is(status, 0, stderr)
  t.regex(
    stdout.toString(),
    new RegExp(
      `^Adding small as ${at}/small\nAdding ${folder}/large as ${at}/large\n( Reading .*\n)* Reading 0xd00000  13MiB / 13MiB \\d+MiB/s\n$`,
    ),
  )
  const found = await contents(shell, 'out.aff4')
  const { stdout: sum } = await shell.run('sha256sum <large')
  t.is(found.length, 2)
  t.true(found[0]!.endsWith(`large - ${sum.toString().slice(0, 64)}`))
})

test('what --plan prints makes the same volume in a shell', async (t) => {
  const shell = withFiles(t)
  for (const words of [
    "-i small 'two words' large -o out.aff4",
    '-c snappy -i large -o out.aff4 -t',
    '-p small -c lz4 -o out.aff4 -i large',
  ]) {
    const ours = await shell.run(`rm -f out.aff4; pmem ${words}`)
    t.is(ours.status, 0, ours.stderr)
    const made = await contents(shell, 'out.aff4')
    const theirs = await shell.run(`rm out.aff4; pmem --plan ${words} >plan && sh -c "$(cat plan)"; cat plan`)
    t.is(theirs.stderr, '')
    t.deepEqual(await contents(shell, 'out.aff4'), made, theirs.stdout.toString())
    t.is(made.length > 0 && made.length, words.match(/small|two|large/g)!.length)
  }
})

test('what --plan prints takes the same stream out, and shows the same', async (t) => {
  const shell = withFiles(t)
  await shell.run('file-cat large small | aff4-sink case.aff4')
  for (const words of [
    '-e large -o out case.aff4',
    '-e /large -o out -- case.aff4',
    '--export=large --output=out case.aff4',
  ]) {
    const ours = await shell.run(`rm -f out; osxpmem ${words}; cmp out large`)
    t.is(ours.status, 0, ours.stderr)
    t.regex(ours.stdout.toString(), /^Extracting aff4:\S+ into file:\/\/\S+\/out\n( Reading .*\n)+$/)
    const theirs = await shell.run(`rm out; sh -c "$(pmem --plan ${words})"; cmp out large`)
    t.is(theirs.status, 0, theirs.stderr)
  }
  const [ours, theirs] = [
    await shell.run('pmem -V case.aff4'),
    await shell.run('$(pmem --plan -V case.aff4)'),
  ]
  t.regex(ours.stdout.toString(), /originalFileName "large"/)
  t.deepEqual(theirs, ours)
})

const DATA = path.resolve('test/data/aff4')

test('an encrypted volume is shown, and gives its streams, by a password or a key that is asked for once', async (t) => {
  const { run } = openShell(t)
  await run(`cp '${DATA}'/encrypted.* .; unzip -p '${DATA}/dream.aff4' '*dream.txt' > expected`)
  for (const secret of ['--password-fd 3', '--key encrypted.key']) {
    const view = await run(`pmem -V ${secret} encrypted.aff4 3<<< password`)
    t.is(view.status, 0, view.stderr)
    t.regex(view.stdout.toString(), /originalFileName "b'dream.txt'"/)
    const words = `-e dream.txt ${secret} -o out encrypted.aff4`
    const ours = await run(`rm -f out; pmem ${words} 3<<< password && cmp out expected`)
    t.is(ours.status, 0, ours.stderr)
    const theirs = await run(
      `rm -f out; plan=$(pmem --plan ${words} 3<<< password); eval "$plan" 3<<< password && cmp out expected`,
    )
    t.is(theirs.status, 0, theirs.stderr)
  }
  const typed = await run(
    typing(
      'pmem -e dream.txt -o typed encrypted.aff4 && cmp typed expected',
      "asked(b'password for ')\nos.write(fd, b'password\\r')",
    ),
  )
  t.is(typed.status, 0, typed.stdout.toString())
  t.is(typed.stdout.toString().split('password').length, 2)
})

test('without its secret, or with another one, an encrypted volume gives nothing, and nothing is added to it', async (t) => {
  const { run, folder } = openShell(t)
  await run(`cp '${DATA}/encrypted.aff4' .`)
  for (const [words, status, why] of [
    ['-e dream.txt -o out encrypted.aff4', 77, /\nhint: --password-fd N or --key FILE opens it\n$/],
    ['-V encrypted.aff4', 77, /\nhint: --password-fd N or --key FILE opens it\n$/],
    ['-e dream.txt --password-fd 3 -o out encrypted.aff4', 77, /: wrong password: /],
    ['--password-fd 3 -i encrypted.aff4 -o out', 64, /^pmem: --password-fd: only with -V and -e\n/],
    ['-i /etc/passwd -o encrypted.aff4', 73, /hint: it cannot be appended to: it is encrypted/],
    ['-o encrypted.aff4', 73, /hint: it cannot be appended to: it is encrypted/],
  ] as const) {
    const ended = await run(`setsid -w pmem ${words} 3<<< passwort`)
    t.is(ended.status, status, `${words}: ${ended.stderr}`)
    t.regex(ended.stderr, why, words)
    t.false(fs.existsSync(path.join(folder, 'out')))
  }
  t.is((await run(`cmp encrypted.aff4 '${DATA}/encrypted.aff4'`)).status, 0)
})

test('a volume that is there is appended to, unless -t replaces it', async (t) => {
  const shell = withFiles(t)
  for (const [words, names] of [
    ['-i small -o out.aff4', ['small']],
    ["-c snappy -i large 'two words' -o out.aff4", ['large', 'small', 'two']],
    ['-i large -o out.aff4 -t', ['large']],
  ] as const) {
    const { status, stderr } = await shell.run(`linpmem ${words}`)
    t.deepEqual([status, stderr], [0, ''])
    t.deepEqual(
      (await contents(shell, 'out.aff4')).map((line) => line.split(' ')[0]),
      [...names],
    )
  }
  t.is((await shell.run('unzip -tqq out.aff4')).status, 0)
})

test('a volume is not written over with what is read from it', async (t) => {
  const { run } = withFiles(t)
  await run('file-cat small | aff4-sink case.aff4; cp case.aff4 before')
  for (const words of ['-t -e small -o ./case.aff4 case.aff4', '-i small case.aff4 -o case.aff4']) {
    const { status, stderr } = await run(`pmem ${words}; s=$?; cmp case.aff4 before && exit $s`)
    t.is(status, 64)
    t.regex(stderr, /^pmem: \S*case\.aff4: input and output are one file\n/)
  }
})

test('a page file is one, and no image that a reader would begin with', async (t) => {
  const shell = withFiles(t)
  const { status, stderr } = await shell.run('winpmem -p large -i small -o out.aff4')
  t.is(status, 0, stderr)
  t.deepEqual(
    (await contents(shell, 'out.aff4')).map((line) => line.split(' ').slice(0, 2)),
    [
      ['large', 'memory:pagefile'],
      ['small', '-'],
    ],
  )
  const { stdout } = await shell.run('aff4-view out.aff4')
  t.regex(stdout.toString(), /aff4:category .*memory[:/]pagefile/)
  t.notRegex(stdout.toString(), /MemoryImage/)
})

test('a volume goes to standard output, and what is told does not', async (t) => {
  const shell = withFiles(t)
  const { status, stderr } = await shell.run('linpmem -i small -o - >out.aff4')
  t.is(status, 0)
  t.regex(stderr, /^Adding small as file:/)
  t.deepEqual((await contents(shell, 'out.aff4')).length, 1)
  t.is((await shell.run('unzip -tqq out.aff4')).status, 0)
})

test('what is written is not read, however it is found', async (t) => {
  const shell = withFiles(t)
  for (const words of ['-i . -o out.aff4', "-t -i './[lot]*' -o out.aff4", '-i large . -o out.aff4']) {
    const { status, stderr } = await shell.run(`pmem ${words}`)
    t.deepEqual([status, stderr], [0, ''], words)
    const found = await contents(shell, 'out.aff4')
    t.deepEqual(
      found.filter((line) => line.includes('out.')),
      [],
      words,
    )
    t.true(found.length >= 2)
  }
  t.is((await shell.run('aff4-verify -q out.aff4')).status, 0)
})

test('a stream is taken by a name that is its own alone, or by its URN', async (t) => {
  const { run } = withFiles(t)
  await run('file-cat small large $PWD/large | aff4-sink case.aff4')
  await run('echo other >small; pmem -q -i small -o case.aff4')
  const twice = await run('pmem -e small -o out case.aff4; s=$?; ls out*; exit $s')
  t.deepEqual([twice.status, twice.stdout.toString()], [65, ''])
  const [, first, second] =
    /^pmem: case\.aff4: 2 streams are called small\nhint: -e takes a URN as well: (\S+), (\S+)\n/.exec(
      twice.stderr,
    ) ?? []
  const { stdout } = await run(`for urn in ${first} ${second}; do pmem -q -e $urn -o - case.aff4; done`)
  t.is(stdout.toString(), 'a few words\nother\n')
  for (const name of ['large', '/large', '$PWD/large'])
    t.is((await run(`pmem -q -e ${name} -o - case.aff4 | cmp - large`)).status, 0, name)
})

test('what has no bytes is not taken out as if it had', async (t) => {
  const { run } = withFiles(t)
  await run(
    'mkdir folder; ln -s small link; file-cat folder | aff4-sink case.aff4; pmem -q -i . -o case.aff4',
  )
  for (const words of ['-e folder', '--elf -e folder', '-e link']) {
    const { status, stdout, stderr } = await run(`pmem -q ${words} -o out case.aff4; s=$?; ls out*; exit $s`)
    t.is(status, 65, words)
    t.is(stdout.toString(), '', words)
    t.regex(stderr, /^pmem: no stream with bytes came: nothing was written\n/, words)
  }
})

test('what is told of an export is told once it begins, and where it goes', async (t) => {
  const { run } = withFiles(t)
  await run('file-cat small large | aff4-sink case.aff4')
  const there = await run('pmem -e small -o large case.aff4')
  t.deepEqual([there.status, there.stdout.toString()], [73, ''])
  const unknown = await run('pmem -e nothing -o out case.aff4')
  t.deepEqual([unknown.status, unknown.stdout.toString()], [66, ''])
  const piped = await run('pmem -e small -o - case.aff4')
  t.is(piped.stdout.toString(), 'a few words\n')
  t.regex(piped.stderr, /^Extracting aff4:\S+ into standard output\n$/)
})

test('on a terminal the state of the reading is one line, and messages do not stand in it', async (t) => {
  const { run } = withFiles(t)
  const { stdout } = await run(
    `mkfifo slow; (cat large; sleep 1; head -c 64k large) >slow & script -qec 'pmem -i slow nowhere -o out.aff4' /dev/null`,
  )
  // What a carriage return takes back is not seen.
  const seen = stdout
    .toString()
    .split('\r\n')
    .map((line) => line.split('\r').reduce((shown, text) => text + shown.slice(text.length), ''))
  t.is(seen.length, 4, stdout.toString())
  t.regex(seen[0]!, /^Adding slow as /)
  t.deepEqual(
    seen
      .slice(1, 3)
      .map((line) => line.replace(/\d+MiB\/s/, '0MiB/s').trimEnd())
      .toSorted(),
    [' Reading 0xd10000  13MiB / 13MiB 0MiB/s', 'pmem: nowhere: no such file or directory'],
  )
})

test('names that are no text, alike to whom reads text, are told apart', async (t) => {
  const { run } = withFiles(t)
  const names = `"$(printf 'r\\351')" "$(printf 'r\\350')"`
  const made = await run(`for name in ${names}; do echo "$name" >"$name"; done; pmem -i ${names} -o out.aff4`)
  t.deepEqual([made.status, made.stderr], [0, ''])
  await run(`pmem --plan -i ${names} -o same.aff4 >plan; sh -c "$(cat plan)"`)
  for (const volume of ['out', 'same']) {
    const { stdout } = await run(`for name in r%E9 r%E8; do pmem -q -e "$name" -o - ${volume}.aff4; done`)
    t.is(stdout.toString('latin1'), 'r\xe9\nr\xe8\n', volume)
  }
})

;(refused ? test : test.skip)(
  'a memory that cannot be read is refused as by pmem-read, and leaves no file',
  async (t) => {
    const { run } = withFiles(t)
    const expected = asked.stderr
      .toString()
      .replaceAll('pmem-read-kcore', 'pmem')
      .replaceAll('pmem-read:', 'pmem:')
    for (const words of ['-o out.aff4', '-m -o out.aff4', '--elf -o out.core', '-c snappy -o out.aff4 -t']) {
      const { status, stdout, stderr } = await run(`pmem ${words}; status=$?; ls; exit $status`)
      t.deepEqual([status, stdout.toString(), stderr], [asked.status!, 'large\nsmall\ntwo words\n', expected])
    }
  },
)

;(refused ? test : test.skip)('a memory that cannot be read does not keep the files out', async (t) => {
  const shell = withFiles(t)
  const { status, stdout, stderr } = await shell.run('pmem -m -i small -o out.aff4; echo $?; ls *.aff4')
  t.is(status, 0)
  t.regex(stdout.toString(), /\n3\nout\.partial\.aff4\n$/)
  t.true(stderr.startsWith(asked.stderr.toString().split('\n')[0]!.replace(/^\S+:/, 'pmem:')), stderr)
  t.regex(stderr, /12 B kept in out\.partial\.aff4\nhint: /)
  t.regex((await shell.run('aff4-view out.partial.aff4')).stdout.toString(), /pmem:status "failed"/)
})

;(refused ? test : test.skip)('page files come with the memory, or the volume is not whole', async (t) => {
  const shell = withFiles(t)
  const { stdout } = await shell.run('pmem -p small -o out.aff4; echo $?; ls *.aff4')
  t.regex(stdout.toString(), /^Adding small .*\n3\nout\.partial\.aff4\n$/)
})

test('a file that is not there is named, and the others come', async (t) => {
  const shell = withFiles(t)
  const { status, stderr } = await shell.run('pmem -i small nowhere large -o out.aff4')
  t.deepEqual([status, stderr], [2, 'pmem: nowhere: no such file or directory\n'])
  t.is((await contents(shell, 'out.aff4')).length, 2)
  const none = await shell.run('pmem -i nowhere -o none.aff4; echo $?; ls none*')
  t.is(none.stdout.toString(), '66\n')
  t.regex(none.stderr, /^pmem: nowhere: no such file or directory\n/)
})

test('who is interrupted keeps what came, labelled, and dies of the signal', async (t) => {
  const shell = withFiles(t)
  const { stdout } = await shell.run(
    `mkfifo slow; (cat large; touch fed; exec sleep 600) >slow & feeder=$!
     pmem -c snappy -i small slow -o out.aff4 2>told & until [ -e fed ] && [ -e out.partial.aff4 ]; do sleep 0.05; done
     kill -INT %2; wait %2; echo $?; kill $feeder; ls *.aff4; cat told`,
  )
  t.regex(
    stdout.toString(),
    /130\nout\.partial\.aff4\npmem: interrupted by SIGINT; [\d.]+ .iB kept in out\.partial\.aff4\n$/,
  )
  const { stdout: view } = await shell.run('aff4-view out.partial.aff4')
  t.regex(view.toString(), /pmem:status "interrupted"/)
})

test('a full disk: 74, the path, and what was written before opens', async (t) => {
  const shell = withFiles(t)
  const { stdout, stderr } = await shell.run(
    `mkdir disk; head -c 150M /dev/urandom >random
     unshare --map-root-user --mount bash -c '
       mount -t tmpfs -o size=100M tmpfs disk
       pmem --ignore-space -c snappy -i random -o disk/out.aff4 >/dev/null; echo $?; ls disk
       aff4-cat disk/out.partial.aff4 | raw-sink - | head -c 64M | cmp -n 64M - random && echo opens'`,
  )
  t.is(stdout.toString(), '74\nout.partial.aff4\nopens\n')
  t.regex(stderr, /^pmem: disk\/out\.partial\.aff4: no space left on device\n/)
})

test('a volume that holds a memory gets another one only by -m', async (t) => {
  const { run, folder } = openShell(t)
  const frames = transmission(stream(memory(), [data(0n, Buffer.alloc(4096, 1))]))
  fs.writeFileSync(path.join(folder, 'frames'), frames)
  await run('aff4-sink case.aff4 <frames')
  const { status, stderr } = await run('pmem -o case.aff4')
  t.is(status, 73)
  t.regex(stderr, /^pmem: case\.aff4: holds a memory already\nhint: -m /)
})
