import test from 'ava'
import fc from 'fast-check'
import { FormatError } from '../../../src/formats/format-error.js'
import { type Mapping, mappingKind, parseMaps } from '../../../src/platform/linux/process-maps.js'

const MAPS = `00400000-00771000 r--p 00000000 fe:00 14131                              /usr/bin/node
02600000-05689000 rw-p 00000000 00:00 0                                  [heap]
7f5c1dfff000-7f5c3de00000 ---p 00000000 00:00 0
7f5c3de00000-7f5c3df00000 rw-s 00001000 00:01 1041                       /memfd:x y (deleted)
7f5c3df00000-7f5c3df01000 r-xp 00002000 fe:00 22                         /tmp/a\\012b \u00e9
7fe65f24d000-7fe65f251000 r--p 00000000 00:00 0                          [vvar]
7ffcd3716000-7ffcd3737000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`

test('mappings of a process, up to the last one that every x86-64 process has', (t) => {
  const mappings = parseMaps(Buffer.from(MAPS))
  t.is(mappings.length, 8)
  t.deepEqual(mappings[3], {
    start: 0x7f5c3de00000n,
    length: 0x100000n,
    permissions: 'rw-s',
    fileOffset: 0x1000n,
    device: '00:01',
    inode: 1041n,
    path: '/memfd:x y (deleted)',
  })
  t.is(mappings[2]!.path, '')
  t.is(mappings[4]!.path, '/tmp/a\\012b \u00e9')
  t.is(mappings.at(-1)!.start, 0xffffffffff600000n)
})

test('how a mapping is to be read follows from what it maps', (t) => {
  const kind = (path: string, permissions = 'rw-p', inode = path.startsWith('/') ? 1n : 0n) =>
    mappingKind({
      start: 0n,
      length: 1n,
      permissions,
      fileOffset: 0n,
      device: '00:00',
      inode,
      path,
    } as Mapping)
  for (const path of ['', '[heap]', '[stack]', '[anon:glibc: malloc]']) t.is(kind(path), 'anonymous', path)
  for (const path of ['[vvar]', '[vvar_vclock]', '[vsyscall]', '[vectors]']) t.is(kind(path), 'kernel', path)
  for (const path of [
    '/memfd:x (deleted)',
    '/dev/zero (deleted)',
    '/dev/shm/sem.a',
    '/SYSV00000000 (deleted)',
  ]) {
    t.is(kind(path, 'rw-s'), 'shared-memory', path)
    t.is(kind(path), 'file', path)
  }
  t.is(kind('[vdso]', 'r-xp'), 'file', 'its pages hold code before they are touched')
  t.is(kind('/anon_hugepage (deleted)'), 'anonymous')
  t.is(kind('/dev/dri/card0', 'rw-s'), 'device')
  t.is(kind('/dev/mem'), 'device')
  t.is(kind('/usr/bin/node', 'r-xp'), 'file')
  t.is(kind('/var/lib/db', 'rw-s'), 'file')
})

test('a line that is no mapping, or out of order, is named', (t) => {
  t.throws(() => parseMaps(Buffer.from('1000-2000 r--p\n')), { message: /^line 1 is no mapping/ })
  t.throws(() => parseMaps(Buffer.from(`${MAPS}1000-2000 r--p 00000000 00:00 0 \n`)), {
    message: /^line 9 is out of order/,
  })
  t.throws(() => parseMaps(Buffer.from('2000-1000 r--p 00000000 00:00 0 \n')), { message: /out of order/ })
})

test('any text gives mappings or a FormatError', (t) => {
  const damage = fc.array(fc.tuple(fc.nat(MAPS.length - 1), fc.nat(255)), { maxLength: 5 })
  fc.assert(
    fc.property(damage, (changes) => {
      const bytes = Buffer.from(MAPS)
      for (const [at, value] of changes) bytes[at] = value
      try {
        parseMaps(bytes)
      } catch (error) {
        t.true(error instanceof FormatError)
      }
    }),
  )
  t.pass()
})
