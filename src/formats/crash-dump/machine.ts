/** MachineImageType, the Machine of a PE file, and e_machine of an ELF file for the same processors. */
const MACHINES: readonly (readonly [pe: bigint, elf: bigint])[] = [
  [0x014cn, 3n],
  [0x01c4n, 40n],
  [0x0200n, 50n],
  [0x8664n, 62n],
  [0xaa64n, 183n],
]

/** e_machine for a MachineImageType. */
export const elfMachineOf = (machine: bigint | undefined): bigint | undefined =>
  MACHINES.find(([pe]) => pe === machine)?.[1]

/** MachineImageType for an e_machine. */
export const machineTypeOf = (machine: bigint | undefined): bigint | undefined =>
  MACHINES.find(([, elf]) => elf === machine)?.[0]
