import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { mergeRuns } from '../../../src/formats/address-space.js'
import { START_KERNEL_MAP } from '../../../src/formats/linux/vmcoreinfo.js'
import { onHost } from '../guest/toolkit.js'
import { agreement, iomemRuns, patternAgreement } from './agreement.js'
import { eachPage, openFlatImage } from './flat-image.js'
import { walk } from './page-table.js'
import type { Lab, Taken } from './witness.js'

/** Where x86-64 kernels are linked to run, _stext first. */
const LINKED_AT = 0xffffffff81000000n

/** The volume covers all RAM and nothing else, and holds what was there. */
export async function holdsWhatTheHypervisorSaw(
  t: ExecutionContext,
  { guest }: Lab,
  taken: Taken,
  patternPages: number,
) {
  const iomem = await guest.ok('cat /proc/iomem')
  const ram = iomemRuns(iomem, 'System RAM')
  t.deepEqual(mergeRuns(Object.values(taken.decoded.runs).flat()), ram, 'ranges')

  t.deepEqual(patternAgreement(taken, ram), { seen: patternPages, equal: patternPages }, 'pattern')

  const kernel = ['Kernel code', 'Kernel rodata'].flatMap((name) => iomemRuns(iomem, name))
  const text = agreement(taken, kernel)
  t.is(text.equal, text.stable, 'kernel text and rodata')
  // The kernel patches a few of its own pages when something is used for the first time.
  t.true(text.stable >= text.pages * 0.99, `${text.stable} of ${text.pages} pages of the kernel stable`)

  const { pages, stable, equal, filled } = agreement(taken, ram)
  t.log(
    `${pages} pages, ${stable} stable, ${equal} equal; ${filled.stable} stable and not empty, ${filled.equal} equal`,
  )
  t.true(filled.equal >= filled.stable * 0.99, 'stable pages that hold something')
  // Pages that are free before and after may serve the programs that take the memory.
  t.true(equal >= stable * 0.8, 'stable pages')
}

/** What the volume says of pages that changed is of the pages that the hypervisor saw change. */
export async function saysHowMuchChanged(t: ExecutionContext, { guest }: Lab, taken: Taken) {
  const { smear = '', smearByAge, smearByRange } = taken.decoded.facts
  const [, changed, compared, from] =
    /^changed=(\d+) compared=(\d+) unreadable=0 share=\S+ from=(\S+)% /.exec(smear) ?? []
  t.is(compared, '1024', smear)
  const ram = iomemRuns(await guest.ok('cat /proc/iomem'), 'System RAM')
  const { pages, stable } = agreement(taken, ram)
  t.log(`${changed} of ${compared} pages changed, the hypervisor saw ${pages - stable} of ${pages}`)
  // It looked before and after the reading, and so saw all that changed in between.
  t.true(Number(from) / 100 <= (pages - stable) / pages, smear)
  for (const shares of [smearByAge, smearByRange])
    t.is(
      [...shares!.matchAll(/=(\d+)\//g)].reduce((sum, [, count]) => sum + Number(count), 0),
      Number(changed),
      shares,
    )
}

/** The page table root and the KASLR shift in the volume lead to the kernel in the hypervisor's dump. */
export async function leadsToTheKernel(t: ExecutionContext, { guest }: Lab, taken: Taken, levels: 4 | 5) {
  const { facts } = taken.decoded
  const root = BigInt(facts.memoryPageTableEntryOffset!)
  t.is(facts.pagingLevels, String(levels))

  const symbols = new Map<string, bigint>()
  for (const line of (await guest.ok("grep -E ' (_stext|linux_banner|init_uts_ns)$' /proc/kallsyms"))
    .trim()
    .split('\n')) {
    const [address, , name] = line.split(' ')
    symbols.set(name!, BigInt(`0x${address}`))
  }
  t.is(BigInt(facts.kaslrShift!), symbols.get('_stext')! - LINKED_AT)

  const textAt = (address: bigint) => {
    const physical = walk(taken.before, root, levels, address)
    return physical === undefined ? undefined : taken.before.read(physical, 256).toString('latin1')
  }
  t.is(textAt(symbols.get('linux_banner')!)?.split('\0')[0], await guest.ok('cat /proc/version'))
  // The same through what the volume itself says, as a reader without symbols would go about it.
  const utsNames = /^SYMBOL\(init_uts_ns\)=(.*)$/m.exec(facts.vmcoreinfo!)?.[1]
  t.true(textAt(BigInt(`0x${utsNames}`))?.includes((await guest.ok('uname -r')).trim()))
  t.is(
    walk(taken.before, root, levels, symbols.get('_stext')!),
    iomemRuns(await guest.ok('cat /proc/iomem'), 'Kernel code')[0]!.start,
  )
}

/** aff4-cat gives the bytes that the independent decoder gives. */
export async function readsTheSameWithOurReader(t: ExecutionContext, { folder }: Lab, taken: Taken) {
  const file = join(folder, 'ours')
  await onHost('aff4-cat "$0" --stream PhysicalMemory | raw-sink -t --holes seek "$1"', taken.volume, file)
  const ours = openFlatImage(file)
  let differing = 0
  eachPage(taken.decoded.runs.data ?? [], [taken.taken, ours], (_, theirs, mine) => {
    if (Buffer.compare(theirs!, mine!) !== 0) differing++
  })
  t.is(differing, 0)
}

/** gdb reads the kernel in a core of the volume: its own data at its addresses, other memory in the map of RAM. */
export async function showsTheKernelToGdb(t: ExecutionContext, { guest, folder }: Lab, taken: Taken) {
  const core = join(folder, 'core')
  await onHost('aff4-cat "$0" --stream PhysicalMemory | elf-sink -t "$1"', taken.volume, core)
  const banner = (await guest.ok("awk '/ linux_banner$/ { print $1 }' /proc/kallsyms")).trim()
  const version = (await guest.ok('cat /proc/version')).trim()
  const { directMapBase, physBase } = taken.decoded.facts
  const inMap = BigInt(`0x${banner}`) - START_KERNEL_MAP + BigInt(physBase!) + BigInt(directMapBase!)
  const look = [`0x${banner}`, inMap].map((at) => `-ex 'x/s ${at}'`).join(' ')
  const { stdout } = await onHost(
    `gdb -nx -batch -ex 'set print elements 0' -ex "core-file $0" ${look}`,
    core,
  )
  t.is(stdout.split(`"${version}\\n"`).length, 3, stdout)
}
