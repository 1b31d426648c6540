import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Guest } from './guest.js'

const run = promisify(execFile)

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/**
 * Starts an ssh server in a guest that was booted with `sshPort`, with a key made for the occasion.
 * @returns an ssh configuration file of the host in which the guest is called `guest`
 */
export async function startSsh(guest: Guest, port: number, folder: string): Promise<string> {
  const key = join(folder, 'key')
  const configuration = join(folder, 'ssh_config')
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  await writeFile(join(guest.share, 'authorized_keys'), await readFile(`${key}.pub`))
  // The home of the host's root can't be written, and is nobody's business.
  await guest.ok(`
    set -e
    busybox ifconfig eth0 10.0.2.15
    mkdir -p -m 700 /run/root /run/root/.ssh
    install -m 600 /run/share/authorized_keys /run/root/.ssh/
    echo '. /run/profile' >/run/root/.bashrc
    echo 'root:x:0:0::/run/root:/bin/bash' >/run/passwd
    mount --bind /run/passwd /etc/passwd
    export LD_LIBRARY_PATH=/run/ssh
    /run/ssh/dropbearkey -t ed25519 -f /run/hostkey
    /run/ssh/dropbear -r /run/hostkey -s -P /run/dropbear.pid`)
  await writeFile(
    configuration,
    `Host guest\n  HostName 127.0.0.1\n  Port ${port}\n  User root\n  IdentityFile "${key}"\n` +
      '  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  BatchMode yes\n',
  )
  return configuration
}
