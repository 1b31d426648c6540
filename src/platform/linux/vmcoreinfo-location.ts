/**
 * Reads /sys/kernel/vmcoreinfo, `0xADDRESS SIZE`, both hexadecimal: where in physical memory the ELF
 * note lies. Kernels before 4.19 have it only there, not among kcore's notes.
 */
export function parseVmcoreinfoLocation(text: string): { address: bigint; size: number } | undefined {
  const [, address, size] = /^0x([0-9a-f]{1,16}) ([0-9a-f]{1,6})\s*$/.exec(text) ?? []
  return address === undefined || size === undefined
    ? undefined
    : { address: BigInt(`0x${address}`), size: Number.parseInt(size, 16) }
}
