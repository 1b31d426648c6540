import os from 'node:os'
import { MACHINE } from '../../formats/elf/structs.js'
import { formatAddress } from '../../frames/address.js'
import { thisWindows } from '../../platform/windows/this-windows.js'
import { PAGE_SIZE } from '../../platform/windows/winpmem-info.js'
import { describe, type Literal, long, text } from '../facts.js'
import type { OpenDriver } from './driver.js'
import { GENERATIONS, type Plan } from './plan.js'

/** The upper half tells a checked kernel from a free one. */
const BUILD = 0xffffn
/** CR3 has flags and a number of the address space below the address. */
const ADDRESS_OF_CR3 = 0x000f_ffff_ffff_f000n

/** Turtle of the memory: what the driver tells of the machine, and of itself. */
export function memoryFacts({ info, method, mode, rangesFrom }: Plan, loaded: OpenDriver['loaded']): string {
  const kernel = info?.kernel
  const machine = MACHINE[thisWindows().processor ?? '']
  return describe(['pmem:WindowsMemory'], {
    'aff4:memoryPageTableEntryOffset': number(info && info.cr3 & ADDRESS_OF_CR3),
    'aff4:pageSize': long(PAGE_SIZE),
    'aff4:NTBuilderNumber': number(info && info.ntBuildNumber & BUILD),
    'aff4:NTBuilderNumberAddr': number(kernel?.ntBuildNumberAddr),
    'aff4:NTKernelBase': number(info?.kernBase),
    'aff4:NTKDBG': number(info?.kdbg),
    'aff4:NTPFNDataBase': number(kernel?.pfnDataBase),
    'aff4:NTPSLoadedModuleList': number(kernel?.psLoadedModuleList),
    'aff4:NTPSActiveProcessHead': number(kernel?.psActiveProcessHead),
    'pmem:elfMachine': machine === undefined ? undefined : long(machine),
    'pmem:cr3': number(info?.cr3),
    'pmem:kpcr': kernel?.kpcr.map((address) => text(formatAddress(address))),
    'pmem:kernelRelease': text(os.release()),
    'pmem:kernelVersion': text(os.version()),
    'pmem:driver': text(GENERATIONS[method]),
    'pmem:driverFile': loaded && text(loaded.name),
    'pmem:driverSha256': loaded && text(loaded.sha256),
    'pmem:acquisitionMode': text(mode ?? 'unknown'),
    'pmem:rangesFrom': text(rangesFrom),
  })
}

/** What is 0 is not known. */
const number = (value: bigint | undefined): Literal | undefined => (value ? long(value) : undefined)
