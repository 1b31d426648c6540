import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** A connection to QEMU's monitor (QEMU docs/interop/qmp-spec.rst): one JSON object a line, replies in order. */
export interface Qmp {
  /** @throws {Error} with QEMU's own words */
  command(name: string, argument?: Record<string, unknown>): Promise<unknown>
  close(): void
}

interface Reply {
  return?: unknown
  error?: { desc: string }
}

/** Connects to the monitor's socket and leaves negotiation mode. */
export async function connectQmp(path: string): Promise<Qmp> {
  const socket = await connected(path)
  const waiting: ((reply: Reply) => void)[] = []
  createInterface({ input: socket }).on('line', (line) => {
    const message = JSON.parse(line) as Reply
    // Greeting and events carry neither.
    if ('return' in message || 'error' in message) waiting.shift()?.(message)
  })
  socket.on('close', () => {
    for (const answer of waiting.splice(0)) answer({ error: { desc: 'QEMU went away' } })
  })
  const command = async (name: string, argument: Record<string, unknown> = {}): Promise<unknown> => {
    const reply = await new Promise<Reply>((resolve) => {
      waiting.push(resolve)
      socket.write(`${JSON.stringify({ execute: name, arguments: argument })}\n`)
    })
    if (reply.error) throw new Error(`${name}: ${reply.error.desc}`)
    return reply.return
  }
  await command('qmp_capabilities')
  return { command, close: () => socket.destroy() }
}

/** Connects to a socket that QEMU is about to make. @throws the system's error when it doesn't within a minute */
export async function connected(path: string): Promise<Socket> {
  for (let tries = 1200; ; tries--) {
    try {
      const socket = createConnection(path)
      await once(socket, 'connect')
      // A guest that goes away is seen by its process.
      socket.on('error', () => socket.destroy())
      return socket
    } catch (error) {
      if (tries === 0) throw error
      await sleep(50)
    }
  }
}
