import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { hearsSignals, openShell } from '../cli/shell.js'
import { typing } from '../cli/typing.js'
import { decryptWithPython } from '../formats/aff4/encryption/decrypt.js'
import { unzipComplaints } from '../formats/aff4/python.js'

const DATA = path.resolve('test/data/aff4')
const KEY = path.join(DATA, 'encrypted.key')
const CERTIFICATE = path.join(DATA, 'encrypted.crt')
const SINK = 'aff4-sink --encrypt'
const MAKE = 'head -c 6M /dev/urandom > big; head -c 100k /dev/zero >> big'

test('a volume for a password and two certificates opens to each of them, and to Python', async (t) => {
  const { run, folder } = openShell(t)
  const { status, stderr } = await run(`${MAKE}
    openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.crt -subj '/CN=other' 2>&-
    file-cat big /etc/passwd | pmem-hash md5 | pmem-compress zlib |
      ${SINK} --password-fd 3 --certificate '${CERTIFICATE}' --certificate other.crt out.aff4 3<<< 'pässword'`)
  t.is(status, 0, stderr)
  const file = path.join(folder, 'out.aff4')
  t.is(unzipComplaints(file), '')
  for (const secret of ["--password-fd 3 3<<< 'pässword'", `--key '${KEY}'`, '--key other.key']) {
    const read = await run(`aff4-cat out.aff4 --stream big ${secret} | raw-sink -t raw; cmp raw big`)
    t.is(read.status, 0, read.stderr)
  }
  t.is((await run('aff4-view out.aff4 --password-fd 3 3<<< password')).status, 77)
  const inner = path.join(folder, 'inner.aff4')
  const { kinds, status: state } = decryptWithPython(file, inner, 'pässword')
  t.deepEqual(kinds, ['PasswordWrappedKeyBag', 'PublicKeyEncryptedKeyBag', 'PublicKeyEncryptedKeyBag'])
  t.is(state, 'complete')
  t.is(unzipComplaints(inner), '')
  t.is((await run('unzip -p inner.aff4 etc/passwd | cmp - /etc/passwd')).status, 0)
})

test('with a certificate alone no password is asked for, and none opens it', async (t) => {
  const { run } = openShell(t)
  const made = await run(`file-cat /etc/passwd | setsid -w ${SINK} --certificate '${CERTIFICATE}' out.aff4`)
  t.is(made.status, 0, made.stderr)
  t.is((await run(`aff4-view --key '${KEY}' out.aff4`)).status, 0)
  const { status, stderr } = await run('aff4-view --password-fd 3 out.aff4 3<<< password')
  t.is(status, 77)
  t.regex(stderr, /encrypted for 1 certificate \(CN=Evidence room.*\)\nhint: --key FILE opens it\n$/)
})

test('it can be written to a pipe', async (t) => {
  const { run } = openShell(t)
  await run(`file-cat /etc/passwd | ${SINK} --password-fd 3 - 3<<< password | cat > out.aff4`)
  const { status, stdout } = await run('aff4-ls --password-fd 3 out.aff4 3<<< password')
  t.is(status, 0)
  t.true(stdout.includes('/etc/passwd'))
})

test('a password is typed twice, and again where the two differ', async (t) => {
  const { run } = openShell(t)
  const command = `file-cat /etc/passwd | ${SINK} out.aff4`
  const once = (first: string, second: string) => `
asked(b'new password for out.aff4: ')
os.write(fd, b'${first}\\r')
asked(b'the same again: ')
os.write(fd, b'${second}\\r')
seen = seen.replace(b'new password', b'asked').replace(b'the same again', b'asked')`
  const made = await run(typing(command, once('password', 'passwort') + once('password', 'password')))
  t.is(made.status, 0, made.stderr)
  t.false(made.stdout.includes('passwor\\b'))
  t.is((await run('aff4-view --password-fd 3 out.aff4 3<<< password')).status, 0)
  const never = await run(
    typing(
      `${command}2`,
      [1, 2, 3]
        .map((n) => once('a', `b${n}`))
        .join('\n')
        .replaceAll('out.aff4', 'out.aff42'),
    ),
  )
  t.is(never.status, 64)
  t.true(never.stdout.includes('differed 3 times'))
})

test('typing stays hidden when another tool on the terminal ends meanwhile', async (t) => {
  const { run } = openShell(t)
  const command = `mkfifo go; cat go | pmem-hash md5 > hashed & echo $! > other; ${hearsSignals('$!')}
    file-cat /etc/passwd | ${SINK} out.aff4`
  const { status, stdout, stderr } = await run(
    typing(
      command,
      `
asked(b'new password for out.aff4: ')
open('go', 'w').close()
while os.path.exists('/proc/' + open('other').read().strip()): time.sleep(0.01)
assert not echoes()
os.write(fd, b'password\\r')
asked(b'the same again: ')
os.write(fd, b'password\\r')`,
    ),
  )
  t.is(status, 0, stderr)
  t.false(stdout.includes('password\r'))
})

test('Ctrl-C at the question leaves nothing', async (t) => {
  const { run, folder } = openShell(t)
  const { status } = await run(
    typing(`file-cat /etc/passwd | ${SINK} out.aff4`, "asked(b'new password')\nos.write(fd, b'\\x03')"),
  )
  t.is(status, 130)
  t.false(existsSync(path.join(folder, 'out.partial.aff4')))
})

test('what cannot be asked for, or used, is refused before anything is written', async (t) => {
  const { run, folder } = openShell(t)
  await run(`openssl req -x509 -newkey rsa:1024 -nodes -keyout /dev/null -out short.crt -subj /CN=short 2>&-
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -out ec.crt -subj /CN=ec 2>&-`)
  for (const [words, status, why] of [
    ['out.aff4', 64, /no terminal to ask for a password\nhint: --password-fd N/],
    ['--password-fd 3 out.aff4 3<<< ""', 64, /the password is empty/],
    ['--password-fd 3 out.aff4', 64, /is not open/],
    ['--password-fd 0 out.aff4', 64, /standard input brings the frames/],
    ['--certificate short.crt out.aff4', 65, /1024 bits, which is too short/],
    ['--certificate ec.crt out.aff4', 65, /a key of ec, not RSA/],
    [`--certificate '${KEY}' out.aff4`, 65, /no certificate in PEM/],
    ['--certificate none.crt out.aff4', 66, /no such file/],
  ] as const) {
    const ended = await run(`file-cat /etc/passwd | setsid -w ${SINK} ${words}`)
    t.is(ended.status, status, ended.stderr)
    t.regex(ended.stderr, why)
    t.false(existsSync(path.join(folder, 'out.aff4')))
  }
  for (const option of ['--password-fd 3', `--certificate '${CERTIFICATE}'`]) {
    const { status, stderr } = await run(`file-cat /etc/passwd | aff4-sink ${option} out.aff4 3<<< password`)
    t.is(status, 64)
    t.regex(stderr, /only with --encrypt/)
  }
})

test('neither is something appended to an encrypted volume, nor an encrypted volume to something', async (t) => {
  const { run } = openShell(t)
  await run(`cp '${DATA}/encrypted.aff4' '${DATA}/dream.aff4' .; md5sum *.aff4 > sums`)
  for (const [words, status, why] of [
    ['aff4-sink encrypted.aff4', 73, /file exists\nhint: .*it is encrypted; -t replaces/],
    [
      `${SINK} --password-fd 3 dream.aff4`,
      73,
      /file exists\nhint: only a new volume can be encrypted; -t replaces/,
    ],
    [`${SINK} --password-fd 3 --onto dream.aff4`, 64, /--onto does not go with --encrypt/],
  ] as const) {
    const ended = await run(`file-cat /etc/passwd | ${words} 3<<< password`)
    t.is(ended.status, status)
    t.regex(ended.stderr, why)
  }
  t.is((await run('md5sum --quiet -c sums')).status, 0)
  const replaced = await run(`file-cat /etc/passwd | ${SINK} -t --password-fd 3 dream.aff4 3<<< password`)
  t.is(replaced.status, 0)
})

test('files keep the layout of AFF4-L inside', async (t) => {
  const { run, folder } = openShell(t)
  const made = await run(`${MAKE}; echo content > 'a name'
    file-cat big /etc/passwd 'a name' | ${SINK} --logical --password-fd 3 out.aff4 3<<< password`)
  t.is(made.status, 0, made.stderr)
  const { turtle } = decryptWithPython(path.join(folder, 'out.aff4'), path.join(folder, 'inner'), 'password')
  t.regex(turtle, /aff4:FileImage/)
  t.is((await run("unzip -p inner '*etc/passwd' | cmp - /etc/passwd")).status, 0)
  // pyaff4 finds no other spelling of it in version 1.2.
  t.is((await run("unzip -p inner '*a%20name'")).stdout.toString(), 'content\n')
  const named = await run(
    "aff4-cat out.aff4 --stream 'a name' --password-fd 3 3<<< password | raw-sink -t raw; cat raw",
  )
  t.is(named.stdout.toString(), 'content\n')
  t.is(
    (await run(`aff4-cat out.aff4 --stream big --password-fd 3 3<<< password | raw-sink -t raw; cmp raw big`))
      .status,
    0,
  )
})

test('an input that is cut leaves a partial volume, labelled outside and inside, with what came', async (t) => {
  const { run, folder } = openShell(t)
  const { status, stderr } = await run(`${MAKE}
    file-cat big | head -c 5000000 | ${SINK} --password-fd 3 out.aff4 3<<< password`)
  t.is(status, 3, stderr)
  const partial = path.join(folder, 'out.partial.aff4')
  const inner = path.join(folder, 'inner.aff4')
  const { status: state, turtle } = decryptWithPython(partial, inner, 'password')
  t.is(state, 'truncated')
  t.regex(turtle, /pmem:incomplete "truncated: /)
  t.false(readFileSync(partial).includes('truncated: '))
  t.is(unzipComplaints(inner), '')
  await run(
    'aff4-cat out.partial.aff4 --password-fd 3 3<<< password 2>&- | raw-sink -t raw 2>&-; cmp -n 4M raw.partial big || cmp -n 4M raw big',
  )
  const read = await run('aff4-cat out.partial.aff4 --password-fd 3 3<<< password | pmem-frames')
  t.is(read.status, 0)
  t.true(read.stdout.includes('incomplete in the volume'))
})

test('a sink that is killed leaves nothing that can be read without the password', async (t) => {
  const { start, run, folder } = openShell(t)
  await run(`head -c 44M /dev/zero | tr '\\0' 'S' > plain`)
  const { group, ended } = start(
    `(file-cat plain; sleep 600) | ${SINK} --password-fd 3 out.aff4 3<<< password`,
  )
  const partial = path.join(folder, 'out.partial.aff4')
  const size = () => statSync(partial, { throwIfNoEntry: false })?.size ?? 0
  let over = false
  void ended.then(() => {
    over = true
  })
  while (!over && size() < 4 << 20) await setTimeout(50)
  process.kill(-group, 'SIGKILL')
  await ended
  const left = readFileSync(partial)
  t.false(left.includes('SSSSSSSSSSSSSSSS'))
  t.false(left.includes('file-cat'))
  t.true(left.includes('PasswordWrappedKeyBag'))
})

test('of an encrypted volume that was cut, what is whole is recovered with the password, and it is said that it is plain', async (t) => {
  const { run } = openShell(t)
  await run(`head -c 40M /dev/urandom > big
    file-cat /etc/passwd big | ${SINK} --password-fd 3 out.aff4 3<<< password
    head -c 30M out.aff4 > cut.aff4; head -c -50 out.aff4 > end.aff4`)
  const cut = await run('aff4-recover --password-fd 3 cut.aff4 new.aff4 3<<< password')
  t.is(cut.status, 3, cut.stderr)
  t.regex(cut.stderr, /new\.aff4: what was encrypted in cut\.aff4 is not encrypted here\n/)
  const read = await run(`aff4-cat new.aff4 --stream big --range 0-28M | raw-sink raw; cmp -n 28M raw big
    aff4-cat new.aff4 --stream /etc/passwd | raw-sink passwd && cmp passwd /etc/passwd`)
  t.is(read.status, 0, read.stderr)
  t.is(
    (await run('aff4-recover --password-fd 3 end.aff4 all.aff4 3<<< password && aff4-verify all.aff4'))
      .status,
    0,
  )
  const closed = await run(
    'setsid -w aff4-recover cut.aff4 other.aff4; setsid -w aff4-recover end.aff4 other.aff4',
  )
  t.is(closed.status, 77)
  t.regex(closed.stderr, /cut\.aff4: encrypted for 1 password\nhint: --password-fd N opens it\n/)
  t.not((await run('ls other*')).status, 0)
})

test('when the disk is full the volume opens with what came before', async (t) => {
  const { run, folder } = openShell(t)
  const script = `mount -t tmpfs -o size=14M tmpfs disk || exit 99
    status=0; aff4-sink --ignore-space --encrypt --password-fd 3 disk/out.aff4 || status=$?; cp disk/* .; exit $status`
  const { status, stderr } = await run(`mkdir disk; head -c 40M /dev/urandom > big
    file-cat big | unshare --map-root-user --mount bash -c '${script}' 3<<< password`)
  t.is(status, 74, stderr)
  t.regex(stderr, /out\.partial\.aff4: no space left on device/)
  t.is(unzipComplaints(path.join(folder, 'out.partial.aff4')), '')
  const { turtle } = decryptWithPython(
    path.join(folder, 'out.partial.aff4'),
    path.join(folder, 'inner'),
    'password',
  )
  t.regex(turtle, /pmem:lostRange|UnknownData|pmem:incomplete/)
})
