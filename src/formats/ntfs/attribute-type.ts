/** Type codes of attributes (ntfs.md, $AttrDef), by their names without the dollar sign. */
export const ATTRIBUTE = {
  STANDARD_INFORMATION: 0x10,
  ATTRIBUTE_LIST: 0x20,
  FILE_NAME: 0x30,
  OBJECT_ID: 0x40,
  SECURITY_DESCRIPTOR: 0x50,
  VOLUME_NAME: 0x60,
  VOLUME_INFORMATION: 0x70,
  DATA: 0x80,
  INDEX_ROOT: 0x90,
  INDEX_ALLOCATION: 0xa0,
  BITMAP: 0xb0,
  REPARSE_POINT: 0xc0,
  EA_INFORMATION: 0xd0,
  EA: 0xe0,
  PROPERTY_SET: 0xf0,
  LOGGED_UTILITY_STREAM: 0x100,
} as const

const NAMES = new Map<number, string>(Object.entries(ATTRIBUTE).map(([name, type]) => [type, `$${name}`]))

/** `$DATA`; the number in hexadecimal for what has no name. */
export const attributeTypeName = (type: number): string => NAMES.get(type) ?? `0x${type.toString(16)}`

export const isAttributeType = (type: number): boolean => NAMES.has(type)
