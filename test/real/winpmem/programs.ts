import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const SOURCES = fileURLToPath(new URL('../../../../test/real/winpmem/', import.meta.url))
const DDK = '/usr/x86_64-w64-mingw32/include/ddk'
const WARNINGS = ['-O2', '-Wall', '-Wextra', '-Werror']

const compile = (...words: string[]) =>
  promisify(execFile)('x86_64-w64-mingw32-gcc', [...WARNINGS, ...words, '-s'])

/** What sets one build of driver.c apart; its head says what each means. */
export interface DriverTraits {
  readonly ABI: 16 | 20 | 30 | 41
  readonly PTE?: 0
  readonly MANY?: 1
  readonly LARGE?: 1
}

export async function buildDriver(folder: string, traits: DriverTraits): Promise<string> {
  const file = join(folder, `driver-${Object.entries(traits).flat().join('-')}.sys`)
  const chosen = Object.entries(traits).map(([name, value]) => `-D${name}=${value}`)
  const bare = ['-ffreestanding', '-fno-stack-protector', '-nostdlib', '-shared']
  const native = ['-Wl,--subsystem,native', '-Wl,-e,DriverEntry']
  const source = join(SOURCES, 'driver.c')
  await compile(...bare, ...native, '-isystem', DDK, ...chosen, '-o', file, source, '-lntoskrnl')
  return file
}

/** A console program of one source. */
export async function buildProgram(file: string, source: string): Promise<void> {
  await compile('-o', file, source)
}

/** The program that joins programs by pipes of Windows. */
export async function buildPipeline(folder: string): Promise<string> {
  const file = join(folder, 'pipeline.exe')
  await compile('-municode', '-o', file, join(SOURCES, 'pipeline.c'))
  return file
}

/** A library that Wine lacks. */
export async function buildRandom(file: string): Promise<void> {
  const bare = ['-shared', '-nostdlib', '-Wl,-e,DllMain']
  await compile(...bare, '-o', file, join(SOURCES, 'random.c'), '-ladvapi32', '-lkernel32')
}
