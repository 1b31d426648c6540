import path from 'node:path'
import test from 'ava'
import { onTerminal, openShell } from './shell.js'
import { typing } from './typing.js'

/**
 * encrypted.aff4 was written by pyaff4 (2025-11): Container.createURN(..., encryption=True), setPassword('password'),
 * setPublicKeyCert('encrypted.crt'), writeLogicalStream of dream.txt.
 */
const DATA = path.resolve('test/data/aff4')
const VOLUME = path.join(DATA, 'encrypted.aff4')
const KEY = path.join(DATA, 'encrypted.key')
const PLAIN = path.join(DATA, 'dream.aff4')
const MD5 = '75d83773f8d431a3ca91bfb8859e486d'
const VIEW = `aff4-view '${VOLUME}'`

test('the password is a line of a file descriptor', async (t) => {
  const { run } = openShell(t)
  for (const given of ["3<<< 'password'", '3< <(printf password)', "3< <(printf 'password\\r\\nrest\\n')"]) {
    const { status, stdout, stderr } = await run(`${VIEW} --password-fd 3 ${given}`)
    t.is(status, 0, stderr)
    t.true(stdout.includes(MD5))
  }
  t.is((await run(`${VIEW} --password-fd 0 <<< password`)).status, 0)
})

test('what follows the line is left for others', async (t) => {
  const { run } = openShell(t)
  const { stdout } = await run(`(${VIEW} --password-fd 0 > view; cat) <<< $'password\\nrest'`)
  t.is(stdout.toString(), 'rest\n')
})

test('a descriptor that is slow, and does not block, is waited for', async (t) => {
  const { run } = openShell(t)
  const slow = `/usr/bin/python3 -c "
import os, time
os.set_blocking(1, False)
for piece in b'pass', b'word', b'\\n':
    os.write(1, piece); time.sleep(0.2)"`
  t.is((await run(`${VIEW} --password-fd 3 3< <(${slow})`)).status, 0)
})

test('the wrong password: permission denied, and said so', async (t) => {
  const { run } = openShell(t)
  for (const wrong of ['Password', 'password ', '']) {
    const { status, stdout, stderr } = await run(`${VIEW} --password-fd 3 3<<< '${wrong}'`)
    t.is(status, 77)
    t.is(stdout.length, 0)
    t.is(stderr, `aff4-view: ${VOLUME}: wrong password: it does not unwrap the key\n`)
  }
})

test('the private key of the certificate opens it without a password', async (t) => {
  const { run } = openShell(t)
  const { status, stdout } = await run(`aff4-cat --key '${KEY}' '${VOLUME}' | pmem-hash md5 | pmem-frames`)
  t.is(status, 0)
  t.true(stdout.includes(MD5))
})

test('a key with a passphrase asks for that', async (t) => {
  const { run } = openShell(t)
  await run(`openssl rsa -in '${KEY}' -aes128 -passout pass:phrase -out new.pem
    openssl rsa -in '${KEY}' -traditional -aes128 -passout pass:phrase -out old.pem`)
  for (const pem of ['new.pem', 'old.pem']) {
    t.is((await run(`${VIEW} --key ${pem} --password-fd 3 3<<< phrase`)).status, 0)
    const wrong = await run(`${VIEW} --key ${pem} --password-fd 3 3<<< password`)
    t.is(wrong.status, 77)
    t.is(wrong.stderr, `aff4-view: ${pem}: wrong passphrase\n`)
    const none = await run(`setsid -w ${VIEW} --key ${pem}`)
    t.is(none.status, 77)
    t.regex(none.stderr, /the key has a passphrase\nhint: --password-fd N/)
  }
})

test('another key: permission denied, with the names of the certificates', async (t) => {
  const { run } = openShell(t)
  const { status, stderr } = await run(`openssl genrsa -out other.pem 2048 2>&-; ${VIEW} --key other.pem`)
  t.is(status, 77)
  t.regex(stderr, /for 1 password and 1 certificate \(.*Evidence room.*\): not for this private key\n$/)
})

test('what is no private RSA key is refused', async (t) => {
  const { run } = openShell(t)
  await run('openssl genpkey -algorithm ed25519 -out ed.pem; head -c 2M /dev/zero > large.pem')
  for (const [file, status, why] of [
    ['ed.pem', 65, /a key of ed25519, not RSA/],
    ['large.pem', 65, /too many/],
    ['none.pem', 66, /no such file/],
    [`'${VOLUME}'`, 65, /no private key in PEM/],
    [`'${DATA}/encrypted.crt'`, 65, /no private key in PEM/],
  ] as const) {
    const ended = await run(`${VIEW} --key ${file}`)
    t.is(ended.status, status, ended.stderr)
    t.regex(ended.stderr, why)
  }
})

test('without secret and terminal: how many bags of which kind, and what would open it', async (t) => {
  const { run } = openShell(t)
  const { status, stderr } = await run(`setsid -w ${VIEW}`)
  t.is(status, 77)
  t.regex(
    stderr,
    /encrypted for 1 password and 1 certificate \(.*serial \d+\)\nhint: --password-fd N or --key FILE opens it\n$/,
  )
})

test('a descriptor that is not open, or is none to read from, is refused at once', async (t) => {
  const { run } = openShell(t)
  for (const fd of ['3', '4', '5', '6']) {
    const { status, stderr } = await run(`timeout 100 ${VIEW} --password-fd ${fd}`)
    t.is(status, 64, fd)
    t.regex(stderr, /is not open\nhint: /)
  }
  for (const fd of ['1', '2', 'x', '-1', '0x3', '99999999'])
    t.is((await run(`${VIEW} --password-fd=${fd}`)).status, 64, fd)
  t.is((await run(`${VIEW} --password-fd 3 3< .`)).status, 66)
  t.is((await run(`${VIEW} --password-fd 3 3< /dev/zero`)).status, 64)
})

test('a volume that is not encrypted asks for nothing', async (t) => {
  const { run } = openShell(t)
  t.is((await run(`setsid -w aff4-view '${PLAIN}'`)).status, 0)
  t.is((await run(`aff4-view --password-fd 3 '${PLAIN}' 3<<< password`)).status, 0)
})

test('several volumes, one password, asked for once', async (t) => {
  const { run } = openShell(t)
  t.is((await run(`aff4-view --password-fd 3 '${VOLUME}' '${PLAIN}' '${VOLUME}' 3<<< password`)).status, 0)
})

const ask = `asked(b'password for ')`

test('on a terminal it is asked for, and not shown', async (t) => {
  const { run } = openShell(t)
  const { status, stdout, stderr } = await run(
    typing(`${VIEW} < /dev/null | grep -c FileImage`, `${ask}\nos.write(fd, b'password\\r')`),
  )
  t.is(status, 0, stderr)
  t.is(stdout.toString(), `password for ${VOLUME}: \r\n1\r\n`)
})

test('what was mistyped can be taken back', async (t) => {
  const { run } = openShell(t)
  for (const keys of [
    'pasX\\x7fsword\\r',
    'all wrong\\x15password\\n',
    'pass\\xc3\\xa4\\x08word\\r',
    '\\x7f\\x7fpassword\\x04',
  ])
    t.is((await run(typing(`${VIEW} > view`, `${ask}\nos.write(fd, b'${keys}')`))).status, 0, keys)
})

test('Ctrl-D instead of a password ends it, Ctrl-C and signals end the process; the terminal shows again what is typed', async (t) => {
  const { run } = openShell(t)
  for (const [what, told] of [
    ["os.write(fd, b'\\x04')", 64],
    ["os.write(fd, b'pass\\x03')", 130],
    ["os.system('pkill -TERM -P %d' % pid)", 143],
    ["os.system('pkill -HUP -P %d' % pid)", 129],
  ] as const) {
    const command = `${VIEW} > view; echo "ended $?"; stty -a | tr ' ' '\\n' | grep -x -e '-\\?echo;\\?' -e '-\\?icanon;\\?'`
    const { stdout } = await run(typing(command, `${ask}\n${what}`))
    const shown = stdout.toString()
    t.true(shown.includes(`ended ${told}`), shown)
    t.regex(shown, /\r\necho;?\r\n/)
    t.regex(shown, /\r\nicanon;?\r\n/)
  }
})

test('the terminal of script(1) asks, too', async (t) => {
  const { run } = openShell(t)
  const { stdout } = await run(
    `touch seen; (until grep -q 'password for' seen; do sleep 0.05; done; printf 'password\\n') |
     ${onTerminal(`${VIEW} | grep -c FileImage`)} | tee seen`,
  )
  t.regex(stdout.toString(), /password for [^\n]*: \r\n1\r\n$/)
})
