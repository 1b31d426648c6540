import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PATIENCE } from '../../cli/shell.js'

/** Bytes of memory of `haltedGuest`, the BIOS at their end included. */
export const GUEST_SIZE = 0x100000
/** Address of what a test plants in it. */
export const PLANTED = 0x8000

/**
 * Gives commands to the monitor of a guest with 1 MiB of memory that never ran, and waits until QEMU has done them:
 * `dump-guest-memory "FILE"` writes an ELF core, `dump-guest-memory -z "FILE"` a flat kdump, `migrate "exec:cat >
 * 'FILE'"` a migration stream, `pmemsave 0 0x100000 "FILE"` the bytes as they are.
 * @param planted a file whose bytes stand in the memory from `PLANTED` on
 * @param options further ones of QEMU: `-smp 2`
 * @throws {Error} with what the monitor said, when one of them fails
 */
export async function haltedGuest(
  commands: readonly string[],
  { planted, options = [] }: { readonly planted?: string; readonly options?: readonly string[] } = {},
): Promise<void> {
  const guest = ['-machine', 'pc', '-m', '1', '-S', '-display', 'none', '-net', 'none', '-vga', 'none']
  const loader =
    planted === undefined ? [] : ['-device', `loader,file=${planted},addr=${PLANTED},force-raw=on`]
  const qemu = spawn('qemu-system-x86_64', [...guest, ...loader, ...options, '-monitor', 'stdio'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...PATIENCE,
  })
  const said: Buffer[] = []
  qemu.stdout.on('data', (piece: Buffer) => said.push(piece))
  qemu.stdin.end(`${[...commands, 'quit'].join('\n')}\n`)
  const [status] = (await once(qemu, 'close')) as [number | null]
  const text = Buffer.concat(said).toString('latin1')
  if (status !== 0 || /^Error|unknown command/m.test(text))
    throw new Error(`QEMU ended with ${status}: ${text}`)
}
