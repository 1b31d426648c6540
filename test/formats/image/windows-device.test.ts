import { randomBytes } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { openWindowsDevice } from '../../../src/formats/image/open-image.js'

const SECTOR = 512
/** 9.5 units of 4096 bytes. */
const CONTENT = randomBytes(9 * 4096 + 2048)

const failure = (code: string) => Object.assign(new Error(`${code}: words, read`), { code, syscall: 'read' })

interface Behaviour {
  /** Most bytes that come at once. */
  readonly most?: number
  /** Offset of a sector that is damaged. */
  readonly damaged?: number
  /** What a read behind the end does. */
  readonly behind?: string
}

/** A device that takes nothing but whole sectors, as those of Windows do. */
function fakeDevice({ most = 1 << 20, damaged, behind }: Behaviour = {}) {
  const opened: string[] = []
  return {
    opened,
    openSync(name: string, flags: string) {
      opened.push(`${name} ${flags}`)
      return 7
    },
    readSync(_fd: number, into: Uint8Array, at: number, length: number, position: bigint) {
      const offset = Number(position)
      if (offset % SECTOR !== 0 || length % SECTOR !== 0 || length === 0) throw failure('EINVAL')
      if (damaged !== undefined && offset <= damaged && damaged < offset + length) throw failure('EIO')
      if (offset >= CONTENT.length && behind !== undefined) throw failure(behind)
      const end = Math.min(offset + length, offset + most, CONTENT.length)
      return CONTENT.copy(into, at, Math.min(offset, CONTENT.length), end)
    },
    closeSync() {
      opened.pop()
    },
  } as unknown as NonNullable<Parameters<typeof openWindowsDevice>[1]> & { opened: string[] }
}

const NAME = '\\\\.\\C:'

test('a device of Windows has its size and bytes, whatever is asked for', async (t) => {
  for (const behaviour of [{}, { behind: 'EINVAL' }, { behind: 'UNKNOWN' }, { most: 6144 }]) {
    const system = fakeDevice(behaviour)
    const source = openWindowsDevice(NAME, system)
    t.deepEqual(system.opened, [`${NAME} r`])
    t.is(source.size, BigInt(CONTENT.length))
    await fc.assert(
      fc.asyncProperty(
        fc.nat(CONTENT.length + 10),
        fc.nat(3 * 4096),
        fc.boolean(),
        async (offset, length, given) => {
          const into = given ? Buffer.alloc(length) : undefined
          const read = await source.read(BigInt(offset), length, into)
          t.true(CONTENT.subarray(offset, offset + length).equals(read))
        },
      ),
      { numRuns: 60 },
    )
    await source.close()
    t.deepEqual(system.opened, [])
  }
})

test('a sector that is damaged fails with its place, and is not taken for the end', async (t) => {
  const source = openWindowsDevice(NAME, fakeDevice({ damaged: 8192, behind: 'EINVAL' }))
  t.is(source.size, BigInt(CONTENT.length))
  const error = await t.throwsAsync(source.read(8300n, 10), { code: 'EIO', message: /at 0x2000$/ })
  t.is((error as NodeJS.ErrnoException).path, `${NAME} at 0x2000`)
  t.deepEqual(Buffer.from(await source.read(4096n, 4096)), CONTENT.subarray(4096, 8192))
})

test('a device that cannot be read at all says why', (t) => {
  const device = fakeDevice()
  const readSync = () => {
    throw failure('EPERM')
  }
  t.throws(() => openWindowsDevice(NAME, { ...device, readSync }), { code: 'EPERM' })
})
