/*
 * State of a processor of x86-64, version 12 (target/i386/machine.c), big-endian: a section FULL with the name "cpu",
 * whose fields begin with 16 registers. Those of 32 bits are laid out otherwise; the description of the stream, JSON
 * at its end, tells them apart.
 */
const FIRST_PROCESSOR = Buffer.from('\x03cpu\0\0\0\0\0\0\0\x0c', 'latin1')
const SECTION_FULL = 0x04
/** Before the name: the section's byte and its id. */
const BEFORE = 5
const CR3_AT = 472
const WIDE = '"name": "env.cr[3]", "type": "uint64"'

/** CR3 of the first processor. @param devices the stream behind its memory */
export function findCr3(devices: Buffer): bigint | undefined {
  if (!devices.includes(WIDE)) return undefined
  for (let at = devices.indexOf(FIRST_PROCESSOR); at >= 0; at = devices.indexOf(FIRST_PROCESSOR, at + 1)) {
    const cr3 = at + FIRST_PROCESSOR.length + CR3_AT
    if (devices[at - BEFORE] === SECTION_FULL && cr3 + 8 <= devices.length)
      return devices.readBigUInt64BE(cr3)
  }
  return undefined
}
