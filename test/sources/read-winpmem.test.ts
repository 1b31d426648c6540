import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { Parser } from 'n3'
import { ToolError } from '../../src/cli/exit.js'
import type { Log } from '../../src/cli/messages.js'
import type { Run } from '../../src/formats/address-space.js'
import { WIN32_ERROR as E, Win32Error } from '../../src/platform/windows/win32.js'
import { readWinpmem, type WinpmemOptions } from '../../src/sources/read-winpmem.js'
import { resourceList } from '../platform/windows/resources.js'
import {
  GENERATIONS,
  KPCR_ADDRESSES,
  memoryAt,
  type Script,
  type Scripted,
  scriptWin32,
} from '../platform/windows/scripted-win32.js'
import { collect, type Received, rangesOf, runSource, silent, type Transmission } from './collect.js'

const IMAGE = Buffer.from('MZ: a driver as Windows sees it')
const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-winpmem-'))
const DRIVER = path.join(folder, 'winpmem.sys')
/** Of this process alone: what stays behind here is ours. */
const temporary = path.join(folder, 'tmp')
fs.mkdirSync(temporary)
process.env.TMPDIR = temporary
fs.writeFileSync(DRIVER, IMAGE)
test.after.always(() => fs.rmSync(folder, { recursive: true }))

const RANGES: readonly Run[] = [
  { start: 0x1000n, length: 0x9e000n },
  { start: 0x100000n, length: 0x300000n },
  { start: 0x1000000n, length: 0x101000n },
  { start: 0x100000000n, length: 0x180000n },
]
/** The first, one in the middle and the last of a range, and two side by side above 4 GiB. */
const BAD = [0x1000n, 0x9e000n, 0x233000n, 0x3ff000n, 0x1100000n, 0x100010000n, 0x100011000n]
const BAD_RANGES = [
  '1000-2000',
  '9e000-9f000',
  '233000-234000',
  '3ff000-400000',
  '1100000-1101000',
  '100010000-100012000',
]

interface Told {
  readonly log: Log
  readonly warnings: string[]
}

function listen(): Told {
  const warnings: string[] = []
  return { warnings, log: { ...silent, warn: (message) => warnings.push(message) } }
}

const GIVEN: WinpmemOptions = { driver: DRIVER, mode: undefined, collect: false, batchesAlive: 0 }

async function acquire(
  win32: Scripted,
  options: Partial<WinpmemOptions> = {},
  log: Log = silent,
): Promise<Transmission> {
  return collect(readWinpmem(win32, log, { ...GIVEN, ...options }))
}

async function refusal(win32: Scripted, options: Partial<WinpmemOptions> = {}): Promise<ToolError> {
  try {
    await acquire(win32, options)
  } catch (error) {
    if (error instanceof ToolError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

const NOTHING = { handles: 0, service: undefined, loaded: false }

/** Every byte that was sent is the one that stands there. */
function wrongPages(stream: Received): string[] {
  const expected = Buffer.alloc(1 << 20)
  return stream.data.flatMap(({ offset, bytes }) => {
    memoryAt(offset, expected.subarray(0, bytes.length))
    return expected.subarray(0, bytes.length).equals(bytes) ? [] : [offset.toString(16)]
  })
}

function factsOf(turtle: string): Map<string, string[]> {
  const facts = new Map<string, string[]>()
  for (const { predicate, object } of new Parser({ baseIRI: 'aff4://x' }).parse(turtle)) {
    const name = predicate.value.replace(/^.*[#/]/, '')
    facts.set(name, [...(facts.get(name) ?? []), object.value])
  }
  return facts
}

test.serial('pages are read again through the driver while it is loaded, the bad ones not', async (t) => {
  const win32 = scriptWin32({ generation: GENERATIONS[0]!, ranges: RANGES, bad: BAD })
  const resample = { pages: 16384, seed: 1, interrupted: new AbortController().signal }
  const { streams } = await acquire(win32, { resample })
  const [smear] = factsOf(streams[0]!.turtle).get('smear')!
  const pages = RANGES.reduce((sum, { length }) => sum + Number(length >> 12n), 0)
  t.regex(smear!, new RegExp(`^changed=0 compared=${pages - BAD.length} unreadable=${BAD.length} `))
  t.deepEqual(win32.left(), NOTHING)
})

for (const generation of GENERATIONS) {
  test.serial(
    `${generation}: all memory comes but for the bad pages, and nothing stays behind`,
    async (t) => {
      const win32 = scriptWin32({ generation, ranges: RANGES, bad: BAD })
      const { streams } = await acquire(win32)
      const [memory] = streams
      t.is(memory!.body.name, 'PhysicalMemory')
      t.is(memory!.body.category, 'memory:physical')
      t.is(memory!.body.size, '0x100180000')
      t.deepEqual(rangesOf(memory!, 'unreadable'), BAD_RANGES)
      t.deepEqual(rangesOf(memory!, 'data'), [
        '2000-9e000',
        '100000-233000',
        '234000-3ff000',
        '1000000-1100000',
        '100000000-100010000',
        '100012000-100180000',
      ])
      t.deepEqual(wrongPages(memory!), [])
      t.is(memory!.close?.status, 'complete')
      t.is(
        memory!.close?.bytes,
        RANGES.reduce((sum, { length }) => sum + Number(length), 0),
      )
      t.deepEqual(win32.left(), NOTHING)
      t.deepEqual(fs.readdirSync(temporary), [])
      t.true(win32.image?.equals(IMAGE), 'what was loaded is what was given')
      for (const { address, length } of win32.reads)
        t.true(
          length <= 1 << 20 && RANGES.some((run) => address >= run.start && address < run.start + run.length),
        )
    },
  )

  test.serial(`${generation}: what it tells of the machine comes before the memory`, async (t) => {
    const { streams } = await acquire(scriptWin32({ generation, ranges: RANGES }))
    const facts = factsOf(streams[0]!.turtle)
    t.deepEqual(facts.get('memoryPageTableEntryOffset'), [String(0x1ad000)])
    t.deepEqual(facts.get('cr3'), [String(0x1ad002)])
    t.deepEqual(facts.get('NTBuilderNumber'), ['19041'])
    t.deepEqual(facts.get('NTKernelBase'), [String(0xfffff80312c00000n)])
    t.deepEqual(facts.get('NTBuilderNumberAddr'), [String(0xfffff803138f8a10n)])
    t.deepEqual(
      facts.get('kpcr'),
      KPCR_ADDRESSES.map((address) => `0x${address.toString(16)}`),
    )
    t.deepEqual(facts.get('NTPFNDataBase'), [String(0xffffde0000000000n)])
    t.false(facts.has('NTPSLoadedModuleList'), 'what the driver leaves empty is not told')
    t.deepEqual(facts.get('driver'), [generation === '1.6' ? 'WinPmem 1.x' : 'WinPmem 2.0 or later'])
    t.deepEqual(facts.get('acquisitionMode'), ['pte'])
    t.deepEqual(facts.get('driverSha256'), [createHash('sha256').update(IMAGE).digest('hex')])
  })
}

test.serial('the mode is set once, before any read, and MmMapIoSpace only for who asks', async (t) => {
  const modeOf = async (script: Partial<Script>, options: Partial<WinpmemOptions> = {}) => {
    const win32 = scriptWin32({ ranges: RANGES, ...script })
    const { streams } = await acquire(win32, options)
    return [win32.mode, factsOf(streams[0]!.turtle).get('acquisitionMode')?.[0]]
  }
  t.deepEqual(await modeOf({}), [2, 'pte'])
  t.deepEqual(await modeOf({ lacks: [2] }), [1, 'physical'])
  t.deepEqual(await modeOf({}, { mode: 'physical' }), [1, 'physical'])
  t.deepEqual(await modeOf({}, { mode: 'iospace' }), [0, 'iospace'])

  const none = await refusal(scriptWin32({ ranges: RANGES, lacks: [1, 2] }))
  t.is(none.exitCode, 69)
  t.regex(none.message, /modes pte and physical: the driver refuses/)
  const fixed = scriptWin32({ ranges: RANGES, lacks: [2] })
  t.regex((await refusal(fixed, { mode: 'pte' })).message, /mode pte: the driver refuses/)
  t.is(fixed.mode, undefined, 'no other one is tried')
  t.deepEqual(fixed.left(), NOTHING)
})

test.serial(
  'nothing is read from a driver that denies every mode, unless another program may have set one',
  async (t) => {
    const denied = { ranges: RANGES, lacks: [0, 1, 2], lackError: E.ACCESS_DENIED } as const
    const fresh = scriptWin32(denied)
    t.is((await refusal(fresh)).exitCode, 77)
    t.is((await refusal(fresh, { mode: 'pte' })).exitCode, 77)
    t.is(fresh.reads.length, 0, 'it might read through MmMapIoSpace')
    const onlyPte = scriptWin32({ ...denied, lacks: [2] })
    await acquire(onlyPte)
    t.is(onlyPte.mode, 1, 'a mode that is denied says nothing of the others')
  },
)

test.serial('a mode that another program has set is not known, which is said', async (t) => {
  for (const mode of [undefined, 'pte'] as const) {
    const { log, warnings } = listen()
    const win32 = scriptWin32({ generation: '4.1', ranges: RANGES, loaded: true, modeSet: true })
    const { streams } = await acquire(win32, { driver: undefined, mode }, log)
    t.deepEqual(factsOf(streams[0]!.turtle).get('acquisitionMode'), ['unknown'])
    t.is(warnings.length, 1)
    t.regex(warnings[0]!, mode ? /not known: pte was not set/ : /not known$/)
    t.deepEqual(
      streams[0]!.notes.map(({ message }) => message),
      warnings,
    )
  }
})

test.serial('where page table entries read nothing, the section of physical memory does', async (t) => {
  for (const bad of [[], BAD]) {
    const { log, warnings } = listen()
    const win32 = scriptWin32({ ranges: RANGES, bad, blind: [2] })
    const { streams } = await acquire(win32, {}, log)
    t.deepEqual(factsOf(streams[0]!.turtle).get('acquisitionMode'), ['physical'])
    t.deepEqual(rangesOf(streams[0]!, 'unreadable'), bad.length > 0 ? BAD_RANGES : [])
    t.regex(warnings[0]!, /mode pte reads nothing/)
  }
  const asked = scriptWin32({ ranges: RANGES, blind: [2] })
  t.regex((await refusal(asked, { mode: 'pte' })).message, /not one page could be read/)
  t.is(asked.mode, 2, 'who asks for a mode gets it, or nothing')
  const once = scriptWin32({ generation: '4.1', ranges: RANGES.slice(0, 1), blind: [2] })
  t.regex((await refusal(once)).message, /not one page could be read/)
})

const MANY = Array.from({ length: 30 }, (_, index) => ({
  start: BigInt(index) * 0x10000n + 0x1000n,
  length: 0x2000n,
}))
for (const beyond of ['count', 'zero', 'fail'] as const)
  test.serial(
    `more ranges than the driver has room for (${beyond}): they are those of the registry`,
    async (t) => {
      const { log, warnings } = listen()
      const resources = resourceList(
        [MANY.map(({ start, length }) => ({ type: 3, flags: 0, start, length: Number(length) }))],
        20,
      )
      const win32 = scriptWin32({ ranges: MANY, room: { runs: 20, beyond }, resources })
      const { streams } = await acquire(win32, {}, log)
      t.is(streams[0]!.body.ranges?.length, 30)
      t.is(rangesOf(streams[0]!, 'data').length, 30)
      t.deepEqual(wrongPages(streams[0]!), [])
      t.deepEqual(factsOf(streams[0]!.turtle).get('rangesFrom'), ['registry'])
      t.regex(warnings.join(), /those of the registry/)
      t.regex(streams[0]!.notes[0]!.message, /those of the registry/)
    },
  )

test.serial('without ranges of the registry either, nothing is read', async (t) => {
  const win32 = scriptWin32({ ranges: MANY, room: { runs: 20, beyond: 'fail' } })
  const { message, exitCode } = await refusal(win32)
  t.regex(message, /no ranges of memory/)
  t.is(exitCode, 65)
  t.deepEqual(win32.left(), NOTHING)
})

test.serial('page 0 can not be read, all behind it can', async (t) => {
  const { streams } = await acquire(scriptWin32({ ranges: [{ start: 0n, length: 0x9f000n }] }))
  t.deepEqual(rangesOf(streams[0]!, 'unreadable'), ['0-1000'])
  t.deepEqual(rangesOf(streams[0]!, 'data'), ['1000-9f000'])
})

test.serial('thousands of bad pages side by side are few frames and one note', async (t) => {
  const bad = Array.from({ length: 3000 }, (_, index) => 0x200000n + BigInt(index) * 4096n)
  const win32 = scriptWin32({ ranges: [{ start: 0x100000n, length: 0x1000000n }], bad })
  const [memory] = (await acquire(win32)).streams
  t.deepEqual(rangesOf(memory!, 'unreadable'), ['200000-db8000'])
  t.true(memory!.fills.length < 32, `${memory!.fills.length} FILL`)
  t.is(memory!.notes.length, 1)
  t.deepEqual(wrongPages(memory!), [])
})

test.serial('memory that is plugged in while it is read is told of', async (t) => {
  const ranges = [{ start: 0x1000n, length: 0x4000n }]
  const rangesLater = [...ranges, { start: 0x100000000n, length: 0x1000n }]
  const [memory] = (await acquire(scriptWin32({ ranges, rangesLater }))).streams
  t.deepEqual(
    memory!.notes.map(({ message }) => message),
    ['RAM changed while it was read: it is now 0x1000-0x5000 0x100000000-0x100001000'],
  )
  const refuseCall = { index: 6, errno: E.IO_DEVICE }
  const asked = scriptWin32({ ranges, refuseCall })
  const [again] = (await acquire(asked)).streams
  t.is(asked.calls[6], 'DeviceIoControl 22c40f')
  t.regex(again!.notes[0]!.message, /can't be asked again/)
})

test.serial('memory of which no page reads is a failure', async (t) => {
  const win32 = scriptWin32({ ranges: [{ start: 0x1000n, length: 0x1000n }], bad: [0x1000n] })
  const { message, exitCode } = await refusal(win32)
  t.is(exitCode, 74)
  t.regex(message, /not one page could be read/)
  t.deepEqual(win32.left(), NOTHING)
})

test.serial('a driver that goes away midway ends the memory: its pages are not bad', async (t) => {
  for (const errno of [E.INVALID_HANDLE, E.NOT_READY, E.DEVICE_REMOVED, E.FILE_NOT_FOUND]) {
    const win32 = scriptWin32({ ranges: RANGES, goneAfter: { reads: 3, errno } })
    const frames = readWinpmem(win32, silent, GIVEN)
    const seen: string[] = []
    const ended = await t.throwsAsync(async () => {
      for await (const batch of frames) for (const { type } of batch) seen.push(type)
    })
    t.true(ended instanceof ToolError && ended.exitCode === 74, ended?.message)
    t.regex(ended.message, /at 0x[0-9a-f]+: the driver is/)
    t.false(seen.includes('fill'))
    t.deepEqual(win32.left(), NOTHING)
  }
})

test.serial('who stops taking frames leaves nothing behind', async (t) => {
  for (let taken = 1; taken < 4; taken++) {
    const win32 = scriptWin32({ ranges: RANGES })
    const frames = readWinpmem(win32, silent, GIVEN)
    for (let count = 0; count < taken; count++) t.false((await frames.next()).done)
    t.true(win32.left().loaded)
    await frames.return(undefined)
    t.deepEqual(win32.left(), NOTHING)
  }
  t.deepEqual(fs.readdirSync(temporary), [])
})

test.serial('a driver that was loaded before is used, and stays', async (t) => {
  const { log, warnings } = listen()
  const service = { file: 'C:\\tools\\winpmem.sys', state: 'running' } as const
  const win32 = scriptWin32({ ranges: RANGES, loaded: true, service })
  const { streams } = await acquire(win32, {}, log)
  t.is(rangesOf(streams[0]!, 'data').length, 4)
  t.deepEqual(win32.left(), { handles: 0, service: service.file, loaded: true })
  t.false(win32.calls.some((call) => /Service/.test(call)))
  t.regex(warnings.join(), /winpmem\.sys: not loaded: there is a driver already/)
  t.false(factsOf(streams[0]!.turtle).has('driverSha256'))
})

test.serial('a driver that another program still has open is unloaded later, which is told', async (t) => {
  const { log, warnings } = listen()
  const win32 = scriptWin32({ ranges: RANGES, held: true })
  const { streams } = await acquire(win32, {}, log)
  t.is(streams[0]!.close?.status, 'complete')
  t.deepEqual(win32.calls.slice(-2), ['ControlService winpmem', 'DeleteService winpmem'])
  t.deepEqual(warnings, [
    'the driver could not be unloaded: service winpmem: the driver is still in use by another program',
  ])
})

test.serial('of two that start at once, one reads through the driver of the other', async (t) => {
  const ranges = RANGES
  let others = false
  const win32 = scriptWin32({ ranges, loaded: true })
  const late = {
    ...win32,
    openDevice(path: string, access: 'read' | 'read-write') {
      if (!others) throw new Win32Error('CreateFileW', E.FILE_NOT_FOUND, path)
      return win32.openDevice(path, access)
    },
    startService(name: string) {
      others = true
      throw new Win32Error('StartServiceW', E.SERVICE_ALREADY_RUNNING, name)
    },
  }
  const { streams } = await acquire(late)
  t.is(rangesOf(streams[0]!, 'data').length, 4)
  t.false(factsOf(streams[0]!.turtle).has('driverSha256'), 'it is not known what the other has loaded')
  t.is(win32.left().handles, 0)
})

const OURS = 'C:\\Users\\x\\AppData\\Local\\Temp\\pmem-driver-aB3dE9\\winpmem.sys'

test.serial('a service that a crash has left is replaced, one of somebody else never', async (t) => {
  for (const state of ['stopped', 'running'] as const) {
    const win32 = scriptWin32({ ranges: RANGES, service: { file: `\\??\\${OURS}`, state } })
    const { streams } = await acquire(win32)
    t.is(rangesOf(streams[0]!, 'data').length, 4)
    t.deepEqual(win32.left(), NOTHING)
  }
  const service = { file: '\\??\\C:\\tools\\winpmem.sys', state: 'stopped' } as const
  const win32 = scriptWin32({ ranges: RANGES, service })
  const { message, hint, exitCode } = await refusal(win32)
  t.is(exitCode, 69)
  t.is(message, 'service winpmem: there is such a service already, and pmem has not made it')
  t.regex(hint!, /sc\.exe start winpmem/)
  t.deepEqual(win32.left(), { handles: 0, service: service.file, loaded: false })
})

const REFUSED: [call: string, errno: number, exit: number, words: RegExp, hint: RegExp][] = [
  ['OpenSCManagerW', E.ACCESS_DENIED, 77, /^the service manager: access denied/, /administrator/],
  ['CreateServiceW', E.ACCESS_DENIED, 77, /^service winpmem: access denied/, /administrator/],
  ['CreateServiceW', E.SERVICE_MARKED_FOR_DELETE, 69, /marked for deletion/, /restart Windows/],
  ['StartServiceW', E.INVALID_IMAGE_HASH, 77, /winpmem\.sys: Windows refuses the signature/, /--driver FILE/],
  ['StartServiceW', E.CERT_E_REVOKED, 77, /certificate .* revoked/, /--driver FILE/],
  ['StartServiceW', E.DRIVER_BLOCKED, 77, /blocks this driver/, /blocklist/],
  ['StartServiceW', E.SYSTEM_INTEGRITY_POLICY_VIOLATION, 77, /code integrity policy/, /HVCI/],
  ['StartServiceW', E.BAD_EXE_FORMAT, 69, /processor of this machine/, /64-bit/],
  ['StartServiceW', E.VIRUS_INFECTED, 77, /virus scanner/, /TEMP/],
  ['StartServiceW', E.DRIVER_FAILED_PRIOR_UNLOAD, 74, /still in use/, /by itself/],
  ['StartServiceW', E.SERVICE_ALREADY_RUNNING, 74, /at the same time/, /again/],
  ['StartServiceW', E.PROC_NOT_FOUND, 69, /version of Windows/, /--driver FILE/],
  ['StartServiceW', E.FILE_NOT_FOUND, 69, /does not find the file/, /TEMP/],
  ['StartServiceW', E.ALREADY_EXISTS, 74, /another driver holds/, /sc\.exe query/],
  ['StartServiceW', E.ACCESS_DENIED, 77, /denies the driver/, /event log/],
  ['DeviceIoControl', E.INVALID_PARAMETER, 69, /refuses what WinPmem offers/, /sc\.exe query/],
]
for (const [call, errno, exit, words, hint] of REFUSED)
  test.serial(`${call} refused with ${errno}: told in words, and nothing stays behind`, async (t) => {
    const refuse = call === 'OpenSCManagerW' ? {} : { [call]: errno }
    const win32 = scriptWin32({ ranges: RANGES, refuse })
    const createDriver = () => {
      throw new Win32Error(call, errno, 'service manager')
    }
    const manager = call === 'OpenSCManagerW' ? { ...win32, createDriver } : win32
    const failure = await refusal(manager)
    t.is(failure.exitCode as number, exit)
    t.regex(failure.message, words)
    t.regex(failure.hint!, hint)
    t.deepEqual(win32.left(), NOTHING)
    t.deepEqual(fs.readdirSync(temporary), [])
  })

test.serial('whatever pages are bad, they alone are lost', async (t) => {
  const page = (index: number) => 0x1000n + BigInt(index) * 4096n
  const pages = 700
  const indices = fc.uniqueArray(fc.nat(pages - 1), { maxLength: 80 })
  const windows = fc
    .tuple(fc.nat(pages - 1), fc.nat(300))
    .map(([first, count]) =>
      Array.from({ length: Math.min(count, pages - first) }, (_, index) => first + index),
    )
  await fc.assert(
    fc.asyncProperty(indices, windows, async (single, together) => {
      const bad = new Set([...single, ...together])
      if (bad.size === pages) return
      const ranges = [{ start: page(0), length: BigInt(pages) * 4096n }]
      const win32 = scriptWin32({ ranges, bad: [...bad].map(page) })
      const [memory] = (await acquire(win32)).streams
      const lost = memory!.fills.flatMap(({ offset, length }) =>
        Array.from({ length: Number(length / 4096n) }, (_, index) => Number(offset / 4096n) - 1 + index),
      )
      t.deepEqual(
        lost,
        [...bad].sort((a, b) => a - b),
      )
      t.deepEqual(wrongPages(memory!), [])
      const sent = memory!.data.reduce((sum, { bytes }) => sum + bytes.length, 0)
      t.is(sent, (pages - bad.size) * 4096)
    }),
    { numRuns: 25 },
  )
})

test.serial('the device refused to who is no administrator', async (t) => {
  const win32 = scriptWin32({ ranges: RANGES, loaded: true, refuse: { CreateFileW: E.ACCESS_DENIED } })
  const { message, hint, exitCode } = await refusal(win32)
  t.is(message, '\\\\.\\pmem: access denied')
  t.is(hint, 'run it as administrator')
  t.is(exitCode, 77)
})

test.serial('whichever call fails, and however, nothing stays behind', async (t) => {
  const errnos = fc.constantFrom(...Object.values(E), 4711)
  await fc.assert(
    fc.asyncProperty(
      fc.nat(14),
      errnos,
      fc.constantFrom(...GENERATIONS),
      async (index, errno, generation) => {
        const { log, warnings } = listen()
        const ranges = [{ start: 0x1000n, length: 0x4000n }]
        const win32 = scriptWin32({ generation, ranges, refuseCall: { index, errno } })
        try {
          await acquire(win32, {}, log)
        } catch (error) {
          t.true(error instanceof ToolError, String(error))
        }
        const refused = win32.calls[index] ?? ''
        if (/^(?:ControlService|DeleteService)/.test(refused)) {
          const { SERVICE_NOT_ACTIVE, SERVICE_DOES_NOT_EXIST, SERVICE_MARKED_FOR_DELETE } = E
          const over: number[] = [SERVICE_NOT_ACTIVE, SERVICE_DOES_NOT_EXIST, SERVICE_MARKED_FOR_DELETE]
          t.is(warnings.length, over.includes(errno) ? 0 : 1, 'what stays behind is told')
        } else t.deepEqual(win32.left(), NOTHING)
        t.is(win32.left().handles, 0)
      },
    ),
    { numRuns: 200 },
  )
  t.deepEqual(fs.readdirSync(temporary), [])
})

test.serial('whichever question Windows does not answer, nothing stays behind', async (t) => {
  const scripts: Partial<Script>[] = [
    {},
    { service: { file: OURS, state: 'stopped' } },
    { room: { runs: 2, beyond: 'fail' } },
  ]
  for (const script of scripts)
    for (let index = 0; index < 4; index++) {
      const win32 = scriptWin32({
        ranges: RANGES,
        ...script,
        refuseQuery: { index, errno: E.ACCESS_DENIED },
      })
      await acquire(win32).catch((error) => t.true(error instanceof ToolError, String(error)))
      const { service, ...left } = win32.left()
      t.deepEqual(left, { handles: 0, loaded: false })
      t.true(service === undefined || service === OURS)
    }
  t.deepEqual(fs.readdirSync(temporary), [])
})

test.serial('options that contradict or mean nothing are refused before anything is loaded', async (t) => {
  for (const [words, told] of [
    [['--mode', 'toString'], /--mode toString: not pte, physical or iospace/],
    [['--load', '--unload'], /--unload does not go with --load/],
    [['--unload', '--driver', DRIVER], /--unload does not go with --driver/],
    [['--load', '--mode', 'pte'], /--load does not go with --mode/],
  ] as const) {
    const { status, stderr } = await runSource('pmem-read-winpmem', words)
    t.is(status, 64)
    t.regex(stderr, told)
  }
})

test.serial('elsewhere than on Windows, sinks are told that there is nothing', async (t) => {
  const { status, end } = await runSource('pmem-read-winpmem', [])
  t.is(status, 69)
  t.is(end?.status, 'failed')
})
