import test from 'ava'
import fc from 'fast-check'
import { kernelFacts, parseVmcoreinfo } from '../../../src/formats/linux/vmcoreinfo.js'
import {
  imageBase,
  kernelImage,
  readKcoreHeaders,
  readKcoreNotes,
} from '../../../src/platform/linux/kcore.js'
import { fixture, readerOf, X64_BOOTS } from '../../platform/linux/fixture.js'

async function factsOf(boot: string, change: (text: string) => string = (text) => text) {
  const read = readerOf(fixture(`${boot}.kcore`))
  const kcore = await readKcoreHeaders(read)
  const note = (await readKcoreNotes(read, kcore)).find(({ name }) => name === 'VMCOREINFO')!
  const image = kernelImage(kcore)
  const info = parseVmcoreinfo(change(Buffer.from(note.desc).toString('latin1')))
  return kernelFacts(info, kcore.machine, image && imageBase(image))
}

// init_top_pgt and _stext are from /proc/kallsyms of the same boots.
test('a five-level kernel: shift, physical base and page table root', async (t) => {
  t.deepEqual(await factsOf('l5'), {
    kernelRelease: '6.1.0-56-amd64',
    kernelBuildId: 'eb4fbcd037e7253717950bf2b93bd5566f47c56f',
    pageSize: 4096n,
    kaslrShift: 0xffffffffade00000n - 0xffffffff81000000n,
    physBase: -591396864n,
    pageTableRoot: 0xffffffffaf810000n - 0xffffffffade00000n + 0xaa00000n,
    pagingLevels: 5n,
  })
})

test('a four-level kernel', async (t) => {
  const { pagingLevels, kaslrShift, pageTableRoot } = await factsOf('l4')
  t.is(pagingLevels, 4n)
  t.is(kaslrShift, 0xffffffff8ae00000n - 0xffffffff81000000n)
  t.is(pageTableRoot, 0xffffffff8c810000n - 0xffffffff8ae00000n + 0x15c00000n)
})

test('a page table root above 4 GiB', async (t) => {
  t.is((await factsOf('split')).pageTableRoot, 0xffffffff9a010000n - 0xffffffff98600000n + 0x104e00000n)
})

test('kernels that do not give phys_base have it in the segment of their image', async (t) => {
  for (const boot of X64_BOOTS)
    t.deepEqual(
      await factsOf(boot, (text) => text.replace(/NUMBER\(phys_base\)=.*\n/, '')),
      await factsOf(boot),
    )
})

test('an old name of the page table and no word about five levels', async (t) => {
  const facts = await factsOf('l4', (text) =>
    text
      .replace('SYMBOL(init_top_pgt)', 'SYMBOL(init_level4_pgt)')
      .replace(/SYMBOL\(swapper_pg_dir\).*\n/, '')
      .replace(/NUMBER\(pgtable_l5_enabled\).*\n/, ''),
  )
  t.deepEqual(facts, await factsOf('l4'))
})

// Walking the tables from this root in a dump of the machine's RAM led to init_uts_ns and _stext.
test('arm64: the root through kimage_voffset', async (t) => {
  t.deepEqual(await factsOf('arm64'), {
    kernelRelease: '6.1.0-56-arm64',
    kernelBuildId: '0ed29847cba3cbd9114b826b3a1ad39dd624ffa0',
    pageSize: 4096n,
    kaslrShift: 0x3ff95da00000n,
    kimageVoffset: 0xffffbff925800000n,
    pageTableRoot: 0x41858000n,
    pagingLevels: 4n,
  })
})

test('arm64: levels follow from the bits of an address and the page size', (t) => {
  const levels = (pageSize: number, t1sz: number) => {
    const info = parseVmcoreinfo(
      `PAGESIZE=${pageSize}\nNUMBER(VA_BITS)=52\nNUMBER(TCR_EL1_T1SZ)=0x${t1sz.toString(16)}\n`,
    )
    return kernelFacts(info, 183).pagingLevels
  }
  t.deepEqual(
    [levels(4096, 16), levels(4096, 25), levels(16384, 17), levels(65536, 12), levels(65536, 16)],
    [4n, 3n, 3n, 3n, 3n],
  )
})

test('an empty VMCOREINFO tells nothing', (t) => {
  t.deepEqual(kernelFacts(parseVmcoreinfo(''), 62), {})
})

test('lines are split at the first equals sign; the text ends at its NUL', (t) => {
  t.deepEqual(
    [...parseVmcoreinfo('A=1=2\nnonsense\n=x\nB=\0C=3\n')],
    [
      ['A', '1=2'],
      ['B', ''],
    ],
  )
})

test('numbers that are none are left out', (t) => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (number, symbol) => {
      const info = parseVmcoreinfo(
        `PAGESIZE=${number}\nNUMBER(phys_base)=${number}\nSYMBOL(init_top_pgt)=${symbol}\n`,
      )
      for (const value of Object.values(kernelFacts(info, 62)))
        t.true(['bigint', 'number'].includes(typeof value))
    }),
  )
  t.pass()
})
