import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { decode } from '../../src/frames/decode.js'
import { bytesAt } from '../cli/sample/bytes.js'
import { type Ended, openShell, type Shell, STATUSES } from '../cli/shell.js'
import { bytesInput } from '../frames/support.js'

// What is promised when something goes wrong: killed processes, signals, full disks, damaged frames.

const MIB = 1 << 20

/** Waits until a script in another process has come so far. */
async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 10_000) throw new Error('waited too long')
    await sleep(20)
  }
}

interface Kept {
  /** The bytes from address 0 on that the volume has as evidence. */
  evidence: Buffer
  status: string | undefined
}

/** What a volume holds of its only stream, told by our own reader. */
async function readVolume({ run }: Shell, volume: string): Promise<Kept> {
  const { stdout } = await run(`aff4-cat ${volume} | pmem-decompress`)
  const pieces: Uint8Array[] = []
  let end = 0n
  let status: string | undefined
  for await (const batch of decode(bytesInput(stdout)))
    for (const frame of batch) {
      if (frame.type === 'close') status = frame.body.status
      if (frame.type !== 'data' || frame.offset !== end) continue
      pieces.push(Uint8Array.from(frame.payload))
      end += frame.length
    }
  return { evidence: Buffer.concat(pieces), status }
}

/** The bytes a message says are kept: `13.2 MiB kept in …`. */
function saidKept(stderr: string): number {
  const [, amount, unit] = /; ([\d.]+) (B|KiB|MiB) kept in /.exec(stderr) ?? []
  return amount === undefined
    ? 0
    : Number(amount) * { B: 1, KiB: 1024, MiB: MIB }[unit as 'B' | 'KiB' | 'MiB']
}

test.serial(
  'a sink killed anywhere leaves no OUT, and every bevy that was written is in the partial file',
  async (t) => {
    const bevy = 64 * MIB
    const lag = 40 * MIB
    for (let times = 0; times < 3; times++) {
      const at = Math.floor(bevy + lag + Math.random() * bevy)
      const shell = openShell(t)
      const source = `sample-source --size 200M --chunk 1M --kill ${at} --victim pid`
      const { status } = await shell.run(
        `mkfifo p; aff4-sink out.aff4 <p & echo $! >pid; ${source} 2>/dev/null >p & wait %1; status=$?; wait; exit $status`,
      )
      t.is(status, 137, `killed at ${at}`)
      t.deepEqual(fs.readdirSync(shell.folder).sort(), ['out.partial.aff4', 'p', 'pid'])
      const { members, behind } = wholeMembers(fs.readFileSync(path.join(shell.folder, 'out.partial.aff4')))
      let found = 0
      for (const { name, content } of members.filter((member) =>
        /(?<!checkpoint)\/\d{8}$/.test(member.name),
      )) {
        t.true(content.equals(bytesAt(found, content.length)), `killed at ${at}: ${name}`)
        found += content.length
      }
      t.true(found >= bevy, `killed at ${at}: ${found} bytes found`)
      t.true(behind <= bevy + MIB, `killed at ${at}: more is lost than the bevy that was being written`)
    }
  },
)

/** The members of a ZIP file by their own headers, as far as they are whole, and how many bytes are behind them. */
function wholeMembers(zip: Buffer): { members: { name: string; content: Buffer }[]; behind: number } {
  const members: { name: string; content: Buffer }[] = []
  let at = 0
  while (at + 30 <= zip.length && zip.readUInt32LE(at) === 0x04034b50) {
    const [nameLength, extraLength] = [zip.readUInt16LE(at + 26), zip.readUInt16LE(at + 28)]
    const begins = at + 30 + nameLength + extraLength
    const ends = begins + zip.readUInt32LE(at + 18)
    if (ends > zip.length) break
    const name = zip.toString('utf8', at + 30, at + 30 + nameLength)
    members.push({ name, content: zip.subarray(begins, ends) })
    at = ends
  }
  return { members, behind: zip.length - at }
}

test.serial('(A; B): A killed inside a payload, B is whole, and the result is incomplete', async (t) => {
  const shell = openShell(t)
  const { status, stderr } = await shell.run(
    `(sample-source A --size 4M --kill 3M; sample-source B --size 2M) | aff4-sink out.aff4
     status=$?; aff4-cat out.partial.aff4 --stream B | raw-sink b.raw; echo $?
     sample-source B --size 2M | raw-sink expected.raw; cmp b.raw expected.raw || exit 1; exit $status`,
  )
  t.is(status, 3, stderr)
  t.regex(stderr, /aff4-sink: (a new START|damaged) at 0x\w+; .* kept in out.partial.aff4/)
})

test.serial(
  '(A; B): A cut anywhere, what it sent is kept, B is whole, and the result is incomplete',
  async (t) => {
    for (const cut of [49, 300, 70_000, 1_000_001, 2_098_000]) {
      const shell = openShell(t)
      const { status, stderr } = await shell.run(
        `(sample-source A --size 2M 2>/dev/null | head -c ${cut}; sample-source B --size 1M) | aff4-sink out.aff4`,
      )
      t.is(status, 3, stderr)
      t.deepEqual(fs.readdirSync(shell.folder), ['out.partial.aff4'])
      const b = await shell.run('aff4-cat out.partial.aff4 --stream B | raw-sink -')
      t.true(b.stdout.equals(bytesAt(0, MIB)))
      if (cut < 70_000) continue
      const kept = await shell.run('aff4-cat out.partial.aff4 --stream A | raw-sink -')
      const whole = Math.floor((cut - 1000) / (65_536 + 48)) * 65_536
      t.true(kept.stdout.subarray(0, whole).equals(bytesAt(0, whole)), `cut at ${cut}`)
    }
  },
)

test.serial('(A; B): A failing before its first frame of evidence is not forgotten', async (t) => {
  const shell = openShell(t)
  const { stdout, stderr } = await shell.run(
    `(sample-source A --fail 0 2>/dev/null; sample-source B) | aff4-sink out.aff4; ${STATUSES}; ls`,
  )
  t.is(stdout.toString(), '0 3\nout.partial.aff4\n')
  t.regex(stderr, /aff4-sink: the sample: is not there; 1.0 MiB kept in out.partial.aff4/)
})

test.serial('--expect: a source that never came is missed, one too many is told', async (t) => {
  const shell = openShell(t)
  const { stdout, stderr } = await shell.run(
    `(exit 1; sample-source A) | raw-sink a.raw; ${STATUSES}
     (false; sample-source B) | raw-sink --expect 2 b.raw; ${STATUSES}
     (sample-source A; sample-source B) | aff4-sink --expect 2 c.aff4; ${STATUSES}
     (sample-source A; sample-source B; sample-source C) | aff4-sink --expect 2 d.aff4; ${STATUSES}
     ls`,
  )
  t.is(stdout.toString(), '1 3\n0 3\n0 0\n0 3\nb.partial.raw\nb.partial.raw.map\nc.aff4\nd.partial.aff4\n')
  t.regex(stderr, /raw-sink: 1 transmissions came, not 2; 1.0 MiB kept in b.partial.raw/)
  t.regex(stderr, /aff4-sink: 3 transmissions came, not 2; 3.0 MiB kept in d.partial.aff4/)
})

/** Runs a script, and sends a signal to all its processes, as a terminal does, once the output and the mark are there. */
async function interrupted(shell: Shell, script: string, output: string): Promise<Ended> {
  const { group, ended } = shell.start(script)
  await until(() => [output, 'marked'].every((file) => fs.existsSync(path.join(shell.folder, file))))
  process.kill(-group, 'SIGINT')
  return ended
}

test.serial(
  'Ctrl-C on a pipeline: the source says so and dies of it, the sink keeps what came',
  async (t) => {
    const shell = openShell(t)
    const { stdout, stderr } = await interrupted(
      shell,
      `sample-source --size 1g --pause 5 --mark 1M | pmem-compress zlib | { aff4-sink out.aff4; echo $? >status; }; ${STATUSES}`,
      'out.partial.aff4',
    )
    t.is(stdout.toString(), '130 3 0\n')
    t.is(fs.readFileSync(path.join(shell.folder, 'status'), 'latin1'), '3\n')
    t.regex(stderr, /^aff4-sink: interrupted by SIGINT; .* kept in out.partial.aff4\n$/)
    const kept = await readVolume(shell, 'out.partial.aff4')
    t.true(kept.evidence.length > 0)
    t.true(
      Math.abs(kept.evidence.length - saidKept(stderr)) <= 0.06 * MIB,
      `${kept.evidence.length} kept, said: ${stderr}`,
    )
    t.true(kept.evidence.equals(bytesAt(0, kept.evidence.length)))
  },
)

test.serial('Ctrl-C on (A; B): the list stops, B never begins', async (t) => {
  const shell = openShell(t)
  const { stdout, stderr } = await interrupted(
    shell,
    `(sample-source A --size 1g --pause 5 --mark 1M; touch begun; sample-source B) | { raw-sink out.raw; echo $? >status; }; ${STATUSES}`,
    'out.partial.raw',
  )
  t.is(stdout.toString(), '130 0\n')
  t.regex(stderr, /\nraw-sink: interrupted by SIGINT; .* kept in out.partial.raw\n$/)
  t.deepEqual(
    fs
      .readdirSync(shell.folder)
      .filter((name) => !name.endsWith('.map') && name !== 'marked')
      .sort(),
    ['out.partial.raw', 'status'],
  )
  t.is(fs.readFileSync(path.join(shell.folder, 'status'), 'latin1'), '3\n')
})

test.serial(
  'Ctrl-C while the source waits for its input: ended and labelled five seconds later',
  async (t) => {
    const shell = openShell(t)
    const { stdout, stderr } = await interrupted(
      shell,
      `sample-source --stall 512k --mark 512k | { raw-sink out.raw; echo $? >status; }; ${STATUSES}`,
      'out.partial.raw',
    )
    t.is(stdout.toString(), '130 0\n')
    t.regex(stderr, /\nraw-sink: interrupted by SIGINT; 512 KiB kept in out.partial.raw\n$/)
    t.is(fs.readFileSync(path.join(shell.folder, 'status'), 'latin1'), '3\n')
  },
)

test.serial(
  'SIGTERM to a sink whose upstream stalls: interrupted after five seconds; a second signal ends it at once',
  async (t) => {
    const shell = openShell(t)
    const script = (signals: string) => `mkfifo p; sample-source --stall 512k --mark 512k >p & source=$!
    aff4-sink out.aff4 <p & sink=$!; until [ -e out.partial.aff4 ] && [ -e marked ]; do sleep 0.05; done
    SECONDS=0; ${signals}; wait $sink; echo $?; [ $SECONDS -ge 4 ] && echo later; kill -KILL $source`
    const patient = await shell.run(script('kill -TERM $sink'))
    t.is(patient.stdout.toString(), '3\nlater\n')
    t.regex(
      patient.stderr,
      /aff4-sink: interrupted by SIGTERM; 448 KiB kept in out.partial.aff4\n/,
      'the last frame never counted',
    )
    const kept = await readVolume(shell, 'out.partial.aff4')
    t.is(kept.evidence.length, 448 << 10)
    const hasty = await openShell(t).run(
      script('for n in 1 2 3 4 5; do kill -TERM $sink || break; sleep 0.5; done 2>/dev/null'),
    )
    t.is(hasty.stdout.toString(), '143\n')
  },
)

test.serial('the first process of a container ends by its signal like any other', async (t) => {
  const { run } = openShell(t)
  const { stdout } = await run(
    `mkfifo p; unshare --map-root-user --pid --fork --kill-child sample-source --size 1g --pause 5 >p & container=$!
     raw-sink out.raw <p & sink=$!; until [ -e out.partial.raw ]; do sleep 0.05; done
     kill -INT $(cat /proc/$container/task/$container/children); wait $container; echo $?; wait $sink; echo $?`,
  )
  t.is(stdout.toString(), '130\n3\n')
})

test.serial('a full disk: 74, the path, upstream ends, and what was written before opens', async (t) => {
  const shell = openShell(t)
  // For a volume more than a bevy, which is 64 MiB.
  for (const [sink, out, room, check] of [
    [
      'aff4-sink',
      'out.aff4',
      100,
      'aff4-cat disk/out.partial.aff4 | raw-sink - | head -c 64M | cmp - whole.raw',
    ],
    ['raw-sink', 'out.raw', 6, 'cmp -n 6000000 disk/out.partial.raw whole.raw'],
    ['elf-sink', 'out.core', 6, 'readelf -h disk/out.partial.core >/dev/null'],
  ] as const) {
    const { stdout, stderr } = await shell.run(
      `mkdir -p disk; sample-source --map --size 64M | raw-sink -t whole.raw
       unshare --map-root-user --mount bash -c '
         mount -t tmpfs -o size=${room}M tmpfs disk
         sample-source --map --size ${room + 80}M | pmem-chunk | ${sink} --ignore-space disk/${out}; ${STATUSES}
         ls disk | grep -v map; ${check} && echo opens'`,
    )
    const partial = out.replace('.', '.partial.')
    t.is(stdout.toString(), `141 141 74\n${partial}\nopens\n`, stderr)
    t.regex(stderr, new RegExp(`(^|\n)${sink}: disk/${partial}: no space left on device\n`))
    t.notRegex(stderr, /\n {4}at /)
  }
})

test.serial('the reader of a pipeline leaves early: everybody ends quietly', async (t) => {
  const { run } = openShell(t)
  const { stdout, stderr } = await run(
    `sample-source --size 80M | pmem-chunk | pmem-compress snappy | pmem-hash md5 | head -c 100 >/dev/null; ${STATUSES}
     sample-source --size 80M --chunk 512 | pmem-frames | head -n 3 >/dev/null; ${STATUSES}`,
  )
  t.is(stdout.toString(), '141 141 141 141 0\n141 141 0\n')
  t.is(stderr, '')
})

/** A published vector as a file. */
function vector(t: ExecutionContext, { folder }: Shell, name: string): string {
  const text = fs.readFileSync(`test/vectors/${name}.txt`, 'utf8')
  const hex = text
    .split('\n')
    .slice(1)
    .filter((line) => !line.startsWith('#'))
    .join('')
  const file = path.join(folder, `${name}.frames`)
  fs.writeFileSync(file, Buffer.from(hex, 'hex'))
  t.true(fs.existsSync(file))
  return file
}

const DAMAGED: Record<string, number> = {
  'wrong-magic': 65,
  'flipped-header-bit': 3,
  'huge-length': 65,
  'unknown-flag': 65,
  'past-the-end': 65,
  'start-inside': 3,
  'empty-input': 3,
}
for (const [name, expected] of Object.entries(DAMAGED))
  test.serial(`damaged frames are refused or marked by everybody: ${name}`, async (t) => {
    const shell = openShell(t)
    const file = vector(t, shell, name)
    const sinks = ['aff4-sink out.aff4', 'raw-sink out.raw', 'elf-sink out.core']
    // Its second stream is none for those who take one.
    for (const sink of name === 'start-inside' ? sinks.slice(0, 1) : sinks) {
      const { status, stderr } = await shell.run(`${sink} <'${file}'`)
      t.is(status, expected, stderr)
      t.notRegex(stderr, /internal|\n {4}at /)
    }
    const behind = await shell.run(`pmem-hash md5 <'${file}' | aff4-sink behind.aff4; ${STATUSES}`)
    t.is(behind.stdout.toString(), `${expected} 3\n`)
    t.deepEqual(
      fs.readdirSync(shell.folder).filter((each) => /^\w+\.(aff4|raw|core)$/.test(each)),
      [],
    )
  })

test.serial(
  'a payload that was damaged on its way is met by its CRC, by all who take it in hand',
  async (t) => {
    const { run } = openShell(t)
    await run(
      `sample-source --map --crc >raw.frames; pmem-compress zlib --crc <raw.frames >packed.frames
     for each in raw packed; do printf 'damage' | dd of=$each.frames bs=1 seek=300000 conv=notrunc status=none; done`,
    )
    const consumers = [
      'aff4-sink -t out.aff4',
      'raw-sink -t out.raw',
      'elf-sink -t out.core',
      'pmem-hash sha256',
      'pmem-chunk 4k',
      'pmem-compress snappy',
    ]
    for (const input of ['raw', 'packed'])
      for (const tool of input === 'raw' ? consumers : [...consumers, 'pmem-decompress']) {
        const { status, stderr } = await run(`${tool} <${input}.frames >sent.frames`)
        t.is(status, 65, `${tool} <${input}`)
        t.regex(stderr, /: payload CRC does not match \(at 0x[0-9a-f]+\)\n/)
      }
    const passed = await run(
      `sample-pass <raw.frames >sent.frames && pmem-frames <sent.frames | grep -c DATA
     cmp <(tail -c 900000 raw.frames | head -c 800000) <(tail -c 900000 sent.frames | head -c 800000)`,
    )
    t.deepEqual([passed.status, passed.stdout.toString()], [0, '16\n'], 'who only forwards does not look')
  },
)
