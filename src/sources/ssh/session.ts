import { setTimeout as sleep } from 'node:timers/promises'
import { EXIT, ToolError } from '../../cli/exit.js'
import { reasonOf } from '../../cli/failure.js'
import type { Log } from '../../cli/messages.js'
import type { Bytes } from '../../formats/byte-source.js'
import { farError } from './far-error.js'
import { LAST_OF_LINK, type Link, LostLink, openLink, type Patience, type Target } from './link.js'
import {
  askForList,
  askForPart,
  askForSize,
  askForWhole,
  type Ending,
  ProtocolError,
  type Question,
} from './protocol.js'

export interface SessionOptions {
  readonly target: Target
  /** How often in a row a link that broke off is made anew. */
  readonly retries: number
  readonly log: Log
  readonly interrupted: AbortSignal
  /** Told where reading goes on, each time that a link was made anew. */
  readonly onResumption?: (resumption: Resumption) => void
  /** Before the first attempt, doubled before each further one; a second where absent. */
  readonly firstPauseMs?: number
  /** A far side that has been asked and says nothing for so long is not there any more; a minute where absent. */
  readonly silenceMs?: number
}

/** A link broke off, and another one took its place. */
export interface Resumption {
  readonly why: string
  /** When the last bytes came, and when the next link was there: milliseconds since the Unix epoch. */
  readonly lost: number
  readonly resumed: number
  /** What was being read, and from where it is read on; undefined between two answers. */
  readonly at: Place | undefined
}

/** A place in a file of a host. */
export interface Place {
  readonly path: string
  readonly offset: bigint
}

/** An answer on its way, read as it is wanted. */
export interface Answer {
  /** Where in the file its next byte stands. */
  readonly at: bigint
  /** Bytes that may still come. */
  readonly left: bigint
  /** Fills `into`, but for the end of the answer: fewer bytes come only then. */
  read(into: Bytes): Promise<{ count: number; ending?: Ending }>
  /** Nobody reads on. */
  drop(): void
}

/** The files of a host over a link that is made anew when it breaks off. */
export interface Session {
  /** Asks for a part of a file (`partOf`), ahead of being read. */
  ask(question: Question): Answer
  /** Opens a file and closes it. @throws the far system's error */
  probe(path: string): Promise<void>
  readWhole(path: string, most: number): Promise<{ bytes: Buffer; cut: boolean }>
  size(path: string): Promise<bigint>
  list(folder: string): Promise<string[]>
  close(): void
}

const LONGEST_PAUSE_MS = 60_000
/** Nobody types a password again in less. */
const RELINK_MS = 120_000
const MOST_OF_LIST = 1 << 20
const ROOM = 1 << 16
const NO_ROOM = Buffer.alloc(0)
/** For what nobody wants any more. */
const WASTE = Buffer.alloc(ROOM)
const PAGE = 4096

/** What has been asked and not been answered to its end. */
interface Pending {
  /** The line that asks for what is missing. */
  line(sequence: number): string
  /** Offset in the file of the next byte. */
  at(): bigint
  readonly path: string
  /** Room for what comes next, to be kept where nobody wants it yet; undefined: it may wait. */
  room(keep: boolean): Bytes | undefined
  wanted(): boolean
  took(count: number): void
  ended(ending: Ending): void
  failed(error: unknown): void
  /** The link broke off. @returns whether it is to be asked again */
  again(): boolean
}

/**
 * Logs in.
 * @throws {ToolError} with ssh's own words when it can't
 */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { target, log, interrupted, retries } = options
  const queue: Pending[] = []
  let link: Link | undefined
  let running = false
  let failure: unknown
  let attempts = 0
  /** Why and when the link broke off, and why it still does. */
  let lost: { first: string; why: string; at: number } | undefined

  async function connect(patience: Patience = {}): Promise<Link> {
    try {
      return await openLink(target, log, interrupted, { ...options, ...patience })
    } catch (error) {
      if (error instanceof LostLink || error instanceof ProtocolError)
        throw new ToolError(EXIT.io, error.message, { cause: error })
      throw error
    }
  }

  function put(pending: Pending): void {
    if (failure !== undefined) {
      pending.failed(failure)
      return
    }
    if (queue.length === 0) link?.begin(sequence + 1, pending.at())
    queue.push(pending)
    link?.say(pending.line(++sequence))
    void serve()
  }

  /**
   * Takes answers in the order of asking, until nobody wants any. One that stands before what is wanted is kept: who is
   * to read it may be waiting for the other.
   */
  async function serve(): Promise<void> {
    if (running) return
    running = true
    try {
      for (let head = queue[0]; head && failure === undefined; head = queue[0]) {
        const room = head.room(queue.some((pending) => pending !== head && pending.wanted()))
        if (!room) break
        try {
          if (!link) await relink()
          else await step(link, head, room)
        } catch (error) {
          if (!(error instanceof LostLink || error instanceof ProtocolError)) throw error
          lose(error)
        }
      }
    } catch (error) {
      fail(error)
    } finally {
      running = false
    }
  }

  async function step(from: Link, head: Pending, room: Bytes): Promise<void> {
    const told = await from.next(room)
    if (typeof told === 'number') {
      head.took(told)
      return
    }
    queue.shift()
    attempts = 0
    const next = queue[0]
    if (next) from.begin(sequence - queue.length + 1, next.at())
    head.ended(told)
  }

  function lose(error: Error): void {
    const why = error.message
    lost = { first: lost?.first ?? why, why, at: lost?.at ?? link?.heardAt() ?? Date.now() }
    link?.close()
    link = undefined
  }

  /** Makes the link anew, and asks again for what is missing. */
  async function relink(): Promise<void> {
    const { first, why, at } = lost!
    if (interrupted.aborted) throw new ToolError(EXIT.io, 'interrupted')
    if (attempts >= retries) {
      const tried = retries === 0 ? '--retries is 0' : `${retries} attempts to make it anew have failed`
      throw new ToolError(EXIT.io, `the link broke off: ${why}; ${tried}`)
    }
    const pause = Math.min((options.firstPauseMs ?? 1000) * 2 ** attempts++, LONGEST_PAUSE_MS)
    log.warn(`${target.host}: the link broke off: ${why}; making it anew in ${pause / 1000} s`)
    await sleep(pause, undefined, { signal: interrupted }).catch(() => {})
    if (interrupted.aborted) throw new ToolError(EXIT.io, 'interrupted')
    let fresh: Link
    try {
      fresh = await connect({ greetingMs: RELINK_MS })
    } catch (error) {
      if (error instanceof ToolError && error.exitCode === EXIT.permission) throw error
      lost = { first, why: reasonOf(error), at }
      return
    }
    if (fresh.bootId === undefined || fresh.bootId !== bootId) {
      fresh.close()
      throw new ToolError(
        EXIT.io,
        fresh.bootId !== undefined && bootId !== undefined
          ? 'the host has rebooted since the link broke off: its memory is another one'
          : 'the link broke off, and whether the host has rebooted since cannot be told',
      )
    }
    link = fresh
    sequence = LAST_OF_LINK
    for (const pending of queue.splice(0)) if (pending.again()) queue.push(pending)
    for (const pending of queue) fresh.say(pending.line(++sequence))
    const [head] = queue
    if (head) fresh.begin(LAST_OF_LINK + 1, head.at())
    log.warn(`${target.host}: reading goes on`)
    options.onResumption?.({
      why: first,
      lost: at,
      resumed: Date.now(),
      at: head && { path: head.path, offset: head.at() },
    })
    lost = undefined
  }

  function fail(error: unknown): void {
    failure = error
    link?.close()
    link = undefined
    for (const pending of queue.splice(0)) pending.failed(error)
  }

  link = await connect()
  const { bootId } = link
  let sequence = LAST_OF_LINK

  /** Asks, and takes all of the answer as it comes. */
  function collect(path: string, line: Pending['line'], most: number): Promise<Collected> {
    return new Promise((resolve, reject) => {
      const room = Buffer.alloc(ROOM)
      let pieces: Buffer[] = []
      let got = 0
      put({
        path,
        line,
        at: () => BigInt(got),
        room: () => room,
        wanted: () => true,
        took(count) {
          got += count
          if (got > most + PAGE) throw new ProtocolError('more bytes than were asked for')
          pieces.push(Buffer.from(room.subarray(0, count)))
        },
        ended(ending) {
          if (ending.status === 0) resolve({ bytes: Buffer.concat(pieces), ending })
          else reject(farError(ending, path))
        },
        failed: reject,
        again() {
          // What the kernel makes anew for each reader does not continue.
          pieces = []
          got = 0
          return true
        },
      })
    })
  }

  return {
    ask: (question) => createAnswer(question, put, () => void serve()),
    async probe(path) {
      await collect(path, (sequence) => askForPart(sequence, { path, offset: 0n, length: 0n }), 0)
    },
    async readWhole(path, most) {
      const { bytes } = await collect(path, (sequence) => askForWhole(sequence, path, most + 1), most + 1)
      return { bytes: bytes.subarray(0, most), cut: bytes.length > most }
    },
    async size(path) {
      const { ending } = await collect(path, (sequence) => askForSize(sequence, path), 0)
      return ending.position
    },
    async list(folder) {
      const { bytes } = await collect(folder, (sequence) => askForList(sequence, folder), MOST_OF_LIST)
      return bytes.toString('utf8').trim().split(' ')
    },
    close() {
      failure ??= new ToolError(EXIT.io, 'closed')
      link?.close()
    },
  }
}

interface Collected {
  readonly bytes: Buffer
  readonly ending: Ending
}

/** An answer that is read piece by piece. */
function createAnswer(
  { path, offset, length }: Question,
  put: (pending: Pending) => void,
  serve: () => void,
): Answer {
  const end = offset + length
  let at = offset
  let received = offset
  let kept = NO_ROOM
  /** What comes next was given room in `kept`, even if it is wanted by the time it is there. */
  let keeping = false
  let dropped = false
  let ending: Ending | undefined
  let failure: { error: unknown } | undefined
  let wanted: { into: Bytes; filled: number; resolve(): void } | undefined

  function done(): void {
    const { resolve } = wanted ?? {}
    wanted = undefined
    resolve?.()
  }

  /** Bytes that came before they were wanted. */
  function takeKept(into: Bytes): number {
    const first = kept.length - Number(end - at)
    const count = kept.copy(into, 0, first, Math.min(first + into.length, first + Number(received - at)))
    at += BigInt(count)
    return count
  }

  put({
    path,
    line: (sequence) => askForPart(sequence, { path, offset: received, length: end - received }),
    at: () => received,
    room(keep) {
      if (received === end) return NO_ROOM
      if (dropped) return WASTE
      keeping = wanted === undefined
      if (wanted) return wanted.into.subarray(wanted.filled)
      if (!keep) return undefined
      if (kept.length === 0) kept = Buffer.alloc(Number(end - at))
      return kept.subarray(kept.length - Number(end - received))
    },
    wanted: () => wanted !== undefined,
    took(count) {
      received += BigInt(count)
      if (received > end) throw new ProtocolError('more bytes than were asked for')
      if (!wanted || dropped) return
      if (keeping) wanted.filled += takeKept(wanted.into.subarray(wanted.filled))
      else {
        at += BigInt(count)
        wanted.filled += count
      }
      if (wanted.filled === wanted.into.length) done()
    },
    ended(how) {
      ending = how
      done()
    },
    failed(error) {
      failure = { error }
      done()
    },
    again() {
      if (!dropped && received < end) return true
      done()
      return false
    },
  })

  return {
    get at() {
      return at
    },
    get left() {
      return end - at
    },
    async read(into) {
      const request = { into, filled: at < received ? takeKept(into) : 0 }
      if (request.filled < into.length && !ending && !failure)
        await new Promise<void>((resolve) => {
          wanted = Object.assign(request, { resolve })
          serve()
        })
      if (failure) throw failure.error
      return { count: request.filled, ...(ending && at === received && { ending }) }
    },
    drop() {
      dropped = true
      kept = NO_ROOM
      serve()
    },
  }
}
