import { ACE_TYPES, type Ace, type Acl } from './acl.js'
import { CONTROL, type SecurityDescriptor } from './descriptor.js'
import { sddlSid } from './sid.js'

const ACE_FLAGS = [
  [0x01, 'OI'],
  [0x02, 'CI'],
  [0x04, 'NP'],
  [0x08, 'IO'],
  [0x10, 'ID'],
  [0x40, 'SA'],
  [0x80, 'FA'],
] as const

/** Whole masks that have a word of their own. */
const FILE_RIGHTS = new Map([
  [0x001f_01ff, 'FA'],
  [0x0012_0089, 'FR'],
  [0x0012_0116, 'FW'],
  [0x0012_00a0, 'FX'],
])

/** Lowest first, as Windows writes them. */
const RIGHTS = [
  [0x0001_0000, 'SD'],
  [0x0002_0000, 'RC'],
  [0x0004_0000, 'WD'],
  [0x0008_0000, 'WO'],
  [0x1000_0000, 'GA'],
  [0x2000_0000, 'GX'],
  [0x4000_0000, 'GW'],
  [0x8000_0000, 'GR'],
] as const

/** Of mandatory labels the low bits are policies. */
const MANDATORY_LABEL = 0x11
const POLICIES = [
  [0x1, 'NW'],
  [0x2, 'NR'],
  [0x4, 'NX'],
] as const

type Words = readonly (readonly [number, string])[]

/** @returns undefined unless the words cover every bit */
function words(bits: number, table: Words): string | undefined {
  let text = ''
  let rest = bits
  for (const [bit, word] of table)
    if ((bits & bit) !== 0) {
      text += word
      rest &= ~bit
    }
  return rest === 0 ? text : undefined
}

const hex = (value: number) => `0x${value.toString(16)}`

function rights({ type, mask }: Ace): string {
  if (type === MANDATORY_LABEL) return words(mask, POLICIES) ?? hex(mask)
  return FILE_RIGHTS.get(mask) ?? words(mask, RIGHTS) ?? hex(mask)
}

/** `(A;OICI;FA;;;BA)`. Data behind the SID are given as hexadecimal, which SDDL has no word for. */
function ace(entry: Ace): string {
  const fields = [
    ACE_TYPES.get(entry.type) ?? hex(entry.type),
    words(entry.flags, ACE_FLAGS) ?? hex(entry.flags),
    rights(entry),
    entry.objectType ?? '',
    entry.inheritedObjectType ?? '',
    entry.sid === undefined ? '' : sddlSid(entry.sid),
  ]
  if (entry.data.some((byte) => byte !== 0)) fields.push(entry.data.toString('hex'))
  return `(${fields.join(';')})`
}

function acl(letter: string, list: Acl | null, flags: string): string {
  if (list === null) return `${letter}:${flags}NO_ACCESS_CONTROL`
  return `${letter}:${flags}${list.entries.map(ace).join('')}`
}

/** The descriptor as SDDL text ([MS-DTYP] 2.5.1): `O:BAG:SYD:PAI(A;;FA;;;SY)`. */
export function formatSddl({ control, owner, group, sacl, dacl }: SecurityDescriptor): string {
  const flags = (table: Words) => words(control & table.reduce((bits, [bit]) => bits | bit, 0), table) ?? ''
  const daclFlags = flags([
    [CONTROL.DACL_PROTECTED, 'P'],
    [CONTROL.DACL_AUTO_INHERIT_REQUIRED, 'AR'],
    [CONTROL.DACL_AUTO_INHERITED, 'AI'],
  ])
  const saclFlags = flags([
    [CONTROL.SACL_PROTECTED, 'P'],
    [CONTROL.SACL_AUTO_INHERIT_REQUIRED, 'AR'],
    [CONTROL.SACL_AUTO_INHERITED, 'AI'],
  ])
  return [
    owner === undefined ? '' : `O:${sddlSid(owner)}`,
    group === undefined ? '' : `G:${sddlSid(group)}`,
    dacl === undefined ? '' : acl('D', dacl, daclFlags),
    sacl === undefined ? '' : acl('S', sacl, saclFlags),
  ].join('')
}
