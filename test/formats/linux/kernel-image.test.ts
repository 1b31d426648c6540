import test from 'ava'
import { kernelImage } from '../../../src/formats/linux/kernel-image.js'
import { kernelFacts, parseVmcoreinfo, START_KERNEL_MAP } from '../../../src/formats/linux/vmcoreinfo.js'
import { readKcoreHeaders, readKcoreNotes } from '../../../src/platform/linux/kcore.js'
import { BOOTS, fixture, readerOf } from '../../platform/linux/fixture.js'

const PAGE = 4096n

for (const boot of BOOTS)
  test(`the image is what kcore shows of it: ${boot}`, async (t) => {
    const read = readerOf(fixture(`${boot}.kcore`))
    const kcore = await readKcoreHeaders(read)
    const note = (await readKcoreNotes(read, kcore)).find(({ name }) => name === 'VMCOREINFO')!
    const vmcoreinfo = Buffer.from(note.desc).toString('latin1')
    const { vaddr, paddr, length } = kernelImage({ machine: BigInt(kcore.machine), vmcoreinfo })!
    const shown = kcore.segments.find(
      ({ virtual, physical, length }) =>
        physical !== 2n ** 64n - 1n && vaddr >= virtual && vaddr < virtual + length,
    )!
    t.is(vaddr - paddr, shown.virtual - shown.physical)
    const end = shown.virtual + shown.length
    const huge = (end / (512n * PAGE) + 1n) * 512n * PAGE
    t.true(vaddr + length <= huge, `${(vaddr + length).toString(16)} ${end.toString(16)}`)
    t.true(length > 16n << 20n)
  })

const info = (more: string) => `SYMBOL(_stext)=ffffffff81000000\nSYMBOL(end)=ffffffff81234567\n${more}`

test('it ends with the huge page of the last symbol, and takes none that is far away', (t) => {
  const vmcoreinfo = info(
    'NUMBER(phys_base)=16777216\nSYMBOL(mem_section)=ffff88807ffd7000\nSYMBOL(far)=ffffffffc0000000\nSYMBOL(no)=x\n',
  )
  t.deepEqual(kernelImage({ machine: 62n, vmcoreinfo }), {
    vaddr: START_KERNEL_MAP + 0x100_0000n,
    paddr: 0x200_0000n,
    length: 0x40_0000n,
  })
})

test('a fact stands in for what VMCOREINFO does not tell; without either there is none', (t) => {
  const vmcoreinfo = info('')
  t.is(kernelImage({ machine: 62n, vmcoreinfo, physBase: 0n })?.paddr, 0x100_0000n)
  t.is(kernelImage({ machine: 62n, vmcoreinfo }), undefined)
  t.is(kernelImage({ vmcoreinfo, physBase: 0n }), undefined)
  t.is(kernelImage({ machine: 62n, physBase: 0n }), undefined)
  t.is(kernelImage({ machine: 62n, physBase: 0n, vmcoreinfo: 'OSRELEASE=6.1.0\n' }), undefined)
  t.is(kernelFacts(parseVmcoreinfo(vmcoreinfo), 62).physBase, undefined)
})
