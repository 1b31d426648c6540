import os from 'node:os'
import { MACHINE } from '../../formats/elf/structs.js'
import type { Facts } from '../../formats/image/facts.js'
import { buildOf, rootOfCr3 } from '../../formats/windows/kernel-values.js'
import { formatAddress } from '../../frames/address.js'
import { thisWindows } from '../../platform/windows/this-windows.js'
import { PAGE_SIZE } from '../../platform/windows/winpmem-info.js'
import { describe, propertiesOf, text } from '../facts.js'
import type { OpenDriver } from './driver.js'
import { GENERATIONS, type Plan } from './plan.js'

/** Turtle of the memory: what the driver tells of the machine, and of itself. */
export function memoryFacts({ info, method, mode, rangesFrom }: Plan, loaded: OpenDriver['loaded']): string {
  const kernel = info?.kernel
  const machine = MACHINE[thisWindows().processor ?? '']
  const facts: Facts = {
    system: 'Windows',
    machine: machine === undefined ? undefined : BigInt(machine),
    pageSize: BigInt(PAGE_SIZE),
    pageTableRoot: known(info && rootOfCr3(info.cr3)),
    cr3: known(info?.cr3),
    kernelRelease: os.release(),
    kernelVersion: os.version(),
    ntBuild: known(info && buildOf(info.ntBuildNumber)),
    ntBuildNumberAddress: known(kernel?.ntBuildNumberAddr),
    ntKernelBase: known(info?.kernBase),
    kdDebuggerDataBlock: known(info?.kdbg),
    pfnDataBase: known(kernel?.pfnDataBase),
    psLoadedModuleList: known(kernel?.psLoadedModuleList),
    psActiveProcessHead: known(kernel?.psActiveProcessHead),
  }
  return describe(['pmem:WindowsMemory'], {
    ...propertiesOf(facts),
    'pmem:kpcr': kernel?.kpcr.map((address) => text(formatAddress(address))),
    'pmem:driver': text(GENERATIONS[method]),
    'pmem:driverFile': loaded && text(loaded.name),
    'pmem:driverSha256': loaded && text(loaded.sha256),
    'pmem:acquisitionMode': text(mode ?? 'unknown'),
    'pmem:rangesFrom': text(rangesFrom),
  })
}

/** What is 0 is not known. */
const known = (value: bigint | undefined): bigint | undefined => value || undefined
