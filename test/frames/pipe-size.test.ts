import { spawnSync } from 'node:child_process'
import test from 'ava'

const F_GETPIPE_SZ = 1032
/** How large the pipe is that file-cat wrote to, asked while it is still there. */
const sizeBehind = (mebibytes: number) => {
  const { stdout } = spawnSync(
    'bash',
    [
      '-c',
      `bin/file-cat <(head -c ${mebibytes}M /dev/urandom) | { cat > /dev/null
      python3 -c 'import fcntl; print(fcntl.fcntl(0, ${F_GETPIPE_SZ}))'; }`,
    ],
    { encoding: 'utf8' },
  )
  return Number(stdout)
}

test('a pipe is enlarged when much goes through it, and stays as it is for little', (t) => {
  t.true(sizeBehind(1) < 1 << 20)
  t.is(sizeBehind(40), 1 << 20)
})
