import { formatAddress } from '../frames/address.js'

/** JSON in which bigints, numbers of address size, are texts: `0x…`. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? formatAddress(item) : item))
