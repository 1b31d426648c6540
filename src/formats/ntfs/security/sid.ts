/** SID: revision 1, u8 sub-authorities (at most 15), 6 bytes of authority, big-endian, then u32 each. */
const HEADER_SIZE = 8
const MOST_SUB_AUTHORITIES = 15
/** From here on an authority is written in hexadecimal ([MS-DTYP] 2.4.2.1). */
const PLAIN_AUTHORITIES = 2 ** 32

export interface SidAt {
  /** `S-1-5-21-…` */
  readonly sid: string
  readonly length: number
}

/** @returns undefined when there is none whole between `at` and `end` */
export function decodeSid(bytes: Buffer, at: number, end: number): SidAt | undefined {
  if (at + HEADER_SIZE > end || bytes[at] !== 1) return undefined
  const count = bytes[at + 1]!
  const length = HEADER_SIZE + 4 * count
  if (count > MOST_SUB_AUTHORITIES || at + length > end) return undefined
  const authority = bytes.readUIntBE(at + 2, 6)
  const parts: string[] = [
    'S-1',
    authority < PLAIN_AUTHORITIES ? String(authority) : `0x${authority.toString(16).padStart(12, '0')}`,
  ]
  for (let index = 0; index < count; index++)
    parts.push(String(bytes.readUInt32LE(at + HEADER_SIZE + 4 * index)))
  return { sid: parts.join('-'), length }
}

/** Aliases of SDDL ([MS-DTYP] 2.5.1.1) of the SIDs that are the same on every machine. */
const ALIASES = new Map([
  ['S-1-1-0', 'WD'],
  ['S-1-3-0', 'CO'],
  ['S-1-3-1', 'CG'],
  ['S-1-3-4', 'OW'],
  ['S-1-5-2', 'NU'],
  ['S-1-5-4', 'IU'],
  ['S-1-5-6', 'SU'],
  ['S-1-5-7', 'AN'],
  ['S-1-5-9', 'ED'],
  ['S-1-5-10', 'PS'],
  ['S-1-5-11', 'AU'],
  ['S-1-5-12', 'RC'],
  ['S-1-5-18', 'SY'],
  ['S-1-5-19', 'LS'],
  ['S-1-5-20', 'NS'],
  ['S-1-5-33', 'WR'],
  ['S-1-5-32-544', 'BA'],
  ['S-1-5-32-545', 'BU'],
  ['S-1-5-32-546', 'BG'],
  ['S-1-5-32-547', 'PU'],
  ['S-1-5-32-548', 'AO'],
  ['S-1-5-32-549', 'SO'],
  ['S-1-5-32-550', 'PO'],
  ['S-1-5-32-551', 'BO'],
  ['S-1-5-32-552', 'RE'],
  ['S-1-5-32-554', 'RU'],
  ['S-1-5-32-555', 'RD'],
  ['S-1-5-32-556', 'NO'],
  ['S-1-5-32-558', 'MU'],
  ['S-1-5-32-559', 'LU'],
  ['S-1-5-32-568', 'IS'],
  ['S-1-5-32-569', 'CY'],
  ['S-1-5-32-573', 'ER'],
  ['S-1-5-32-574', 'CD'],
  ['S-1-5-32-575', 'RA'],
  ['S-1-5-32-576', 'ES'],
  ['S-1-5-32-577', 'MS'],
  ['S-1-5-32-578', 'HA'],
  ['S-1-5-32-579', 'AA'],
  ['S-1-5-32-580', 'RM'],
  ['S-1-5-84-0-0-0-0-0', 'UD'],
  ['S-1-15-2-1', 'AC'],
  ['S-1-16-4096', 'LW'],
  ['S-1-16-8192', 'ME'],
  ['S-1-16-8448', 'MP'],
  ['S-1-16-12288', 'HI'],
  ['S-1-16-16384', 'SI'],
])

/** As SDDL writes it: `BA` for the administrators, itself for a SID without alias. */
export const sddlSid = (sid: string): string => ALIASES.get(sid) ?? sid
