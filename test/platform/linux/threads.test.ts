import test from 'ava'
import fc from 'fast-check'
import { pageSizeOf, systemPageSize } from '../../../src/platform/linux/page-size.js'
import { parseStat, parseSyscall, readThreads } from '../../../src/platform/linux/threads.js'
import { LOCAL_FILES } from '../../../src/platform/system-files.js'

test('a thread in a system call, one outside, one that runs', (t) => {
  t.deepEqual(parseSyscall('202 0x1 0x80 0x0 0x0 0x0 0xffffffff 0x7fe65dd31c70 0x7fe65edbef16\n'), {
    systemCall: 202n,
    stackPointer: 0x7fe65dd31c70n,
    instructionPointer: 0x7fe65edbef16n,
  })
  t.deepEqual(parseSyscall('-1 0x7ffe6366b520 0x401136\n'), {
    systemCall: -1n,
    stackPointer: 0x7ffe6366b520n,
    instructionPointer: 0x401136n,
  })
  for (const text of ['running\n', '', '0\n'])
    t.deepEqual(parseSyscall(text), {
      systemCall: undefined,
      stackPointer: undefined,
      instructionPointer: undefined,
    })
})

test('a name with parentheses and blanks; pointers of a thread that exits', (t) => {
  const fields = ['Z', ...Array.from({ length: 25 }, () => '1'), '140732', '4198710', '0']
  t.deepEqual(parseStat(`42 (a) b (c)) ${fields.join(' ')}\n`), {
    name: 'a) b (c)',
    state: 'Z',
    stackPointer: 140732n,
    instructionPointer: 4198710n,
  })
  t.deepEqual(parseStat(''), {
    name: '',
    state: undefined,
    stackPointer: undefined,
    instructionPointer: undefined,
  })
})

test('any text is read without complaint', (t) => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseSyscall(text)
      parseStat(text)
    }),
  )
  t.pass()
})

test('the threads of this process; none of one that is not there', async (t) => {
  const threads = await readThreads(LOCAL_FILES, process.pid)
  t.is(threads[0]!.id, process.pid)
  t.true(threads.length > 1)
  t.deepEqual(await readThreads(LOCAL_FILES, 2 ** 30), [])
})

test('the page size is that of the auxiliary vector', async (t) => {
  const auxv = Buffer.alloc(48)
  auxv.writeBigUInt64LE(33n, 0)
  auxv.writeBigUInt64LE(6n, 16)
  auxv.writeBigUInt64LE(65536n, 24)
  t.is(pageSizeOf(auxv), 65536n)
  t.is(pageSizeOf(auxv.subarray(0, 20)), undefined)
  t.true([4096n, 16384n, 65536n].includes(await systemPageSize(LOCAL_FILES)))
})
