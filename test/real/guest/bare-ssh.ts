import { readFile, writeFile } from 'node:fs/promises'
import { createConnection, createServer, type Socket } from 'node:net'
import type { Guest } from './guest.js'

/**
 * Moves the ssh server of a guest (`startSsh`) into a root of its own: busybox as sh, cat and dd, what the server
 * itself needs, /proc, /sys and /dev, on a file system that nobody can write to.
 */
export async function makeBare(guest: Guest): Promise<void> {
  await guest.ok(`
    set -e
    kill "$(cat /run/dropbear.pid)"
    mkdir /run/bare
    mount -t tmpfs -o mode=755 tmpfs /run/bare
    cd /run/bare
    mkdir -p bin dev etc proc sys root/.ssh
    cp /bin/busybox bin/
    for applet in sh cat dd; do ln -s busybox bin/$applet; done
    export LD_LIBRARY_PATH=/run/ssh
    for file in /run/ssh/dropbear $(ldd /run/ssh/dropbear | grep -o '/[^ ]*'); do
      mkdir -p ".\${file%/*}"
      cp -L $file .$file
    done
    cp /run/hostkey etc/
    chmod 700 root/.ssh
    install -m 600 /run/share/authorized_keys root/.ssh/
    echo 'root:x:0:0::/root:/bin/sh' >etc/passwd
    for folder in dev proc sys; do mount --rbind /$folder $folder; done
    mount -o remount,ro /run/bare
    ! touch root/written 2>/dev/null
    chroot . /run/ssh/dropbear -r /etc/hostkey -s -P /dev/null`)
}

/** Stands before a port; connections break off when they have carried so many bytes from it. */
export async function openCutter(
  port: number,
  cuts: readonly number[],
): Promise<{ readonly port: number; connections(): number; close(): void }> {
  let connections = 0
  const open = new Set<Socket>()
  const server = createServer((near) => {
    let left = cuts[connections++] ?? Number.POSITIVE_INFINITY
    const far = createConnection(port, '127.0.0.1')
    const cut = () => {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on('error', cut)
      socket.on('close', () => {
        open.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.pipe(far)
    far.on('data', (chunk: Buffer) => {
      left -= chunk.length
      if (left < 0) cut()
      else if (!near.write(chunk)) {
        far.pause()
        near.once('drain', () => far.resume())
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    connections: () => connections,
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}

/** The ssh configuration of the same guest at another port. */
export async function atPort(configuration: string, port: number): Promise<string> {
  const file = `${configuration}.${port}`
  await writeFile(file, (await readFile(configuration, 'utf8')).replace(/Port \d+/, `Port ${port}`))
  return file
}
