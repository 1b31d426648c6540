import type { ExecutionContext } from 'ava'
import { ask } from '../../sources/files/support.js'

/** Runs a program as root: as we are, or through sudo. */
export function asRoot(program: string, ...words: string[]): string {
  return process.getuid?.() === 0 ? ask(program, ...words) : ask('sudo', '-n', program, ...words)
}

/** A loop device on a file, gone with the test. */
export function loopDevice(t: ExecutionContext, backing: string, ...options: string[]): string {
  const device = asRoot('losetup', '--find', '--show', ...options, backing)
  t.teardown(() => void asRoot('losetup', '--detach', device))
  return device
}
