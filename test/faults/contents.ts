import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** Addresses from the first to before the second. */
export type Span = readonly [number, number]

export interface Held {
  known: Span[]
  lost: Span[]
  /** The first address whose byte is not what it should be. */
  wrong: number | null
}

export interface Contents {
  streams: Record<string, Held>
  complete: boolean | null
  /** What is told of links that broke off. */
  resumed: string[]
  /** It cannot be read: nothing else is there then. */
  error?: string
}

export interface Asked {
  kind: 'frames' | 'aff4' | 'raw' | 'lime' | 'avml' | 'elf' | 'zip' | 'map'
  path: string
  /** The file that holds what each stream truly is. */
  truth: Record<string, string>
  limit?: number
}

export interface Judge {
  ask(asked: Asked): Promise<Contents>
  close(): void
}

/** contents.py, which reads all formats without our own code, asked one after another. */
export function openJudge(): Judge {
  const child: ChildProcess = spawn('/usr/bin/python3', ['test/faults/contents.py'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface(child.stdout!)
  const waiting: { answered(line: string): void; failed(error: Error): void }[] = []
  lines.on('line', (line) => waiting.shift()?.answered(line))
  lines.on('close', () => {
    for (const { failed } of waiting) failed(new Error('contents.py has ended'))
  })
  return {
    ask: (asked) =>
      new Promise((resolve, reject) => {
        waiting.push({ answered: (line) => resolve(JSON.parse(line)), failed: reject })
        child.stdin!.write(`${JSON.stringify(asked)}\n`)
      }),
    close: () => child.stdin!.end(),
  }
}
