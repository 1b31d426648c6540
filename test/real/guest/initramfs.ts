import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { CHARACTER_DEVICE, type CpioEntry, DIRECTORY, encodeCpio, FILE, PROGRAM } from './cpio.js'
import type { Parts } from './parts.js'

const INIT = new URL('../../../../test/real/guest/init', import.meta.url)

/** The guest's first file system: busybox, the modules with their load order, the ssh server, and `init`. */
export async function initramfs(parts: Parts): Promise<Buffer> {
  const into = (folder: string, mode: number, files: readonly string[]): Promise<CpioEntry>[] =>
    files.map(async (file) => ({ name: `${folder}/${basename(file)}`, mode, data: await readFile(file) }))
  const order = parts.modules.map((file) => `${basename(file)}\n`).join('')
  return encodeCpio([
    ...['bin', 'dev', 'modules', 'ssh'].map((name) => ({ name, mode: DIRECTORY })),
    { name: 'dev/console', mode: CHARACTER_DEVICE, device: [5, 1] },
    { name: 'init', mode: PROGRAM, data: await readFile(INIT) },
    ...(await Promise.all(into('bin', PROGRAM, [parts.busybox]))),
    ...(await Promise.all(into('modules', FILE, parts.modules))),
    { name: 'modules/order', mode: FILE, data: Buffer.from(order) },
    ...(await Promise.all(into('ssh', PROGRAM, parts.ssh))),
  ])
}
