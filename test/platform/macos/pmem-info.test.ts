import { spawnSync } from 'node:child_process'
import test from 'ava'
import fc from 'fast-check'
import { FormatError } from '../../../src/formats/format-error.js'
import { parsePmemInfo, ramRuns } from '../../../src/platform/macos/pmem-info.js'
import { driverYaml, efiRecord, KERNEL_VERSION, pciRecord } from './driver-yaml.js'

const RECORDS = [
  pciRecord(2415919104n, 268435456n),
  efiRecord('EfiConventionalMemory', 0x100000n, 535822336n),
  efiRecord('EfiMemoryMappedIO', 0xf8000000n, 0x1000000n),
]

test('facts and ranges of both versions of the interface', (t) => {
  for (const version of [2, 3] as const) {
    const info = parsePmemInfo(driverYaml({ version, records: RECORDS }))
    t.is(info.apiVersion, BigInt(version))
    t.is(info.cr3, 5773611222n)
    t.is(info.dtb, 5773611008n)
    t.is(info.memorySize, 17179869184n)
    t.is(info.kaslrSlide, 304087040n)
    t.is(info.kernelOffset, 305135616n)
    t.is(info.kernelVersion, KERNEL_VERSION)
    t.is(info.versionOffset, 313959808n)
    t.deepEqual(info.efiRanges, [
      { type: 'EfiConventionalMemory', start: 0x100000n, length: 535822336n },
      { type: 'EfiMemoryMappedIO', start: 0xf8000000n, length: 0x1000000n },
    ])
  }
})

test('PyYAML reads the same numbers and words', (t) => {
  const kernelVersion = 'Darwin "15"\\beta\n\tü'
  const yaml = driverYaml({ version: 3, kernelVersion, records: RECORDS })
  const script = `import json, sys, yaml
meta = yaml.safe_load(sys.stdin.buffer.read())['meta']
print(json.dumps([str(meta[k]) for k in ('cr3', 'dtb_off', 'kaslr_slide', 'kernel_poffset', 'kernel_version')]))`
  const python = spawnSync('python3', ['-c', script], { input: yaml, encoding: 'utf8' })
  const info = parsePmemInfo(yaml)
  t.deepEqual(JSON.parse(python.stdout), [
    String(info.cr3),
    String(info.dtb),
    String(info.kaslrSlide),
    String(info.kernelOffset),
    info.kernelVersion,
  ])
  t.is(info.kernelVersion, kernelVersion)
})

test('numbers keep all their 64 bits; a driver without records names no memory', (t) => {
  const top = 2n ** 64n - 4096n
  const info = parsePmemInfo(driverYaml({ records: [efiRecord('EfiConventionalMemory', top, 4096n)] }))
  t.is(info.efiRanges[0]!.start, top)
  t.deepEqual(parsePmemInfo(driverYaml()).efiRanges, [])
})

test('memory is what the firmware calls memory, in order, joined', (t) => {
  const range = (type: string, start: bigint, length: bigint) => ({ type, start, length })
  t.deepEqual(
    ramRuns([
      range('EfiConventionalMemory', 0x9000n, 0x1000n),
      range('EfiLoaderCode', 0x1000n, 0x2000n),
      range('EfiBootServicesData', 0x3000n, 0x1000n),
      range('EfiReservedMemoryType', 0x4000n, 0x1000n),
      range('EfiACPIMemoryNVS', 0x6000n, 0x2000n),
      range('EfiRuntimeServicesData', 0x7000n, 0x800n),
      range('EfiMaxMemoryType', 0xa000n, 0x1000n),
      range('EfiPalCode', 0xc000n, 0n),
    ]),
    [
      { start: 0x1000n, length: 0x3000n },
      { start: 0x6000n, length: 0x2000n },
      { start: 0x9000n, length: 0x1000n },
    ],
  )
})

test('runs cover just the pages that some range of memory has', (t) => {
  const range = fc.record({
    type: fc.constantFrom('EfiConventionalMemory', 'EfiLoaderData', 'EfiMemoryMappedIO'),
    start: fc.bigInt(0n, 60n),
    length: fc.bigInt(0n, 12n),
  })
  fc.assert(
    fc.property(fc.array(range, { maxLength: 20 }), (ranges) => {
      const pages = (list: readonly { start: bigint; length: bigint }[]) => {
        const set = new Set<bigint>()
        for (const { start, length } of list)
          for (let page = start; page < start + length; page++) set.add(page)
        return [...set].sort((a, b) => Number(a - b))
      }
      const runs = ramRuns(ranges)
      t.deepEqual(pages(runs), pages(ranges.filter(({ type }) => type !== 'EfiMemoryMappedIO')))
      for (const [index, { start }] of runs.entries())
        if (index > 0) t.true(start > runs[index - 1]!.start + runs[index - 1]!.length)
    }),
  )
})

const REFUSED: Record<string, [string, RegExp]> = {
  nothing: ['', /not a mapping/],
  'other YAML': ['a: 1\n', /meta: not a mapping/],
  'no version': ['meta: {cr3: 1}\nrecords: []\n', /no meta\.pmem_api_version/],
  'half a line': [driverYaml({ records: RECORDS }).slice(0, 700), /not YAML|not a/],
  'a negative address': [driverYaml({ records: [efiRecord('EfiPalCode', -1n, 1n)] }), /records\[0\]\.start/],
  'an address of 65 bits': [
    driverYaml({ records: [efiRecord('EfiPalCode', 2n ** 64n, 1n)] }),
    /records\[0\]\.start/,
  ],
  'a range past the last address': [
    driverYaml({ records: [efiRecord('EfiPalCode', 2n ** 64n - 1n, 2n)] }),
    /records\[0\]: leaves the address space/,
  ],
  'words for a number': [driverYaml().replace('5773611222', 'much'), /meta\.cr3/],
  'a fraction': [driverYaml().replace('5773611222', '1.5'), /meta\.cr3/],
  'records that are none': [driverYaml().replace('records:', 'records: 7'), /records: not a list/],
  'a record that is none': [driverYaml({ records: ['  - 5'] }), /records\[0\]: not a mapping/],
  aliases: ['meta: &a {pmem_api_version: 2}\nrecords: [*a, *a]\n', /not YAML/],
  binary: ['\u0000\u0001\u0002', /not/],
}
for (const [what, [yaml, reason]] of Object.entries(REFUSED))
  test(`refused with its reason: ${what}`, (t) => {
    const error = t.throws(() => parsePmemInfo(yaml), { instanceOf: FormatError })
    t.regex(error!.message, reason)
    t.notRegex(error!.message, /\n/)
  })

test('any change of a byte gives ranges or a FormatError', (t) => {
  const yaml = driverYaml({ version: 3, records: RECORDS })
  fc.assert(
    fc.property(fc.nat(yaml.length - 1), fc.string({ minLength: 1, maxLength: 3 }), (at, put) => {
      try {
        ramRuns(parsePmemInfo(yaml.slice(0, at) + put + yaml.slice(at + put.length)).efiRanges)
      } catch (error) {
        t.true(error instanceof FormatError, String(error))
      }
    }),
    { numRuns: 2000 },
  )
})
