import { asBuffer } from '../../codecs/views.js'
import type { Bytes } from '../../formats/byte-source.js'
import type { Captured, Lacking } from '../helper-files.js'

/** What changes while memory is read: captured before it, sent after it. */
export const VOLATILE_FILES = [
  '/proc/kallsyms',
  '/proc/modules',
  '/proc/version',
  '/proc/cmdline',
  '/proc/iomem',
  '/proc/cpuinfo',
  '/proc/swaps',
  '/sys/kernel/notes',
  '/sys/kernel/vmcoreinfo',
] as const

/** What stays as it is while this kernel runs. */
export const lastingFiles = (release: string): string[] => [
  '/sys/kernel/btf/vmlinux',
  `/boot/System.map-${release}`,
  `/boot/config-${release}`,
  `/boot/vmlinuz-${release}`,
]

/** What is to be said of symbols that were captured without their addresses. */
export function hiddenSymbols(captured: readonly (Captured | Lacking)[]): string | undefined {
  const kallsyms = captured.find(({ path }) => path === '/proc/kallsyms')
  if (!kallsyms || 'error' in kallsyms || !hidesAddresses(kallsyms.bytes)) return undefined
  return `${kallsyms.path}: every address is 0 (CAP_SYSLOG and kernel.kptr_restrict decide)`
}

/** The first symbols of a kernel are those of each processor: small numbers, but not all 0. */
function hidesAddresses(kallsyms: Bytes): boolean {
  const lines = asBuffer(kallsyms).subarray(0, 1 << 16)
  return kallsyms.length > 0 && !/^(?!0+ )[0-9a-f]+ /m.test(lines.toString('latin1'))
}
