import os from 'node:os'

/** Processors by PROCESSOR_ARCHITECTURE, as Node names them. */
const PROCESSORS: Readonly<Record<string, string>> = { AMD64: 'x64', ARM64: 'arm64', X86: 'ia32' }

export interface WindowsKind {
  /** Of the machine, not of this process; as Node names it. Undefined where Windows does not tell. */
  readonly processor: string | undefined
  /** 10 for Windows 10 and 11. */
  readonly major: number
}

export function thisWindows(): WindowsKind {
  // A 32-bit process on a 64-bit Windows sees a machine that is not there, and beside it the real one.
  const { PROCESSOR_ARCHITEW6432: real, PROCESSOR_ARCHITECTURE: seen } = process.env
  return {
    processor: PROCESSORS[(real ?? seen ?? '').toUpperCase()],
    major: Number.parseInt(os.release(), 10),
  }
}
