import { execFile } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Guest } from './guest.js'

const CHECKOUT = fileURLToPath(new URL('../../../../', import.meta.url))

/**
 * Puts this checkout's tools and this Node on the guest's PATH, for scripts and for ssh sessions. They are
 * mounted below /run, so that any user of the guest may run them, wherever on the host the checkout is.
 */
export async function installToolkit(guest: Guest): Promise<void> {
  const mounts = ['bin', 'dist', 'node_modules', 'package.json'].map((name) => [
    realpathSync(CHECKOUT + name),
    `/run/pmem/${name}`,
  ])
  mounts.push([realpathSync(process.execPath), '/run/node/node'])
  await guest.ok(`
    mkdir -p /run/pmem/{bin,dist,node_modules} /run/node
    touch /run/pmem/package.json /run/node/node
    ${mounts.map(([from, to]) => `mount --bind '${from}' '${to}' || exit`).join('\n')}
    echo 'export PATH=/run/pmem/bin:/run/node:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin' >/run/profile`)
}

/** Runs a bash script on the host with this checkout's tools; its arguments are $0, $1 … @throws {Error} when it fails */
export function onHost(script: string, ...operands: string[]): Promise<{ stdout: string; stderr: string }> {
  const env = { ...process.env, PATH: `${CHECKOUT}bin:${process.env.PATH}` }
  return promisify(execFile)('bash', ['-c', `set -o pipefail; ${script}`, ...operands], {
    env,
    maxBuffer: 1 << 28,
  })
}
