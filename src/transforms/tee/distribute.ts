import { setTimeout as sleep } from 'node:timers/promises'
import { EXIT, type ExitCode } from '../../cli/exit.js'
import { asToolError } from '../../cli/failure.js'
import type { Labelled } from '../../cli/labelled.js'
import type { Log } from '../../cli/messages.js'
import type { Outcome } from '../../cli/output.js'
import { showSize } from '../../cli/sizes.js'
import type { Bytes } from '../../formats/byte-source.js'
import type { Encoder } from '../../frames/encode.js'
import type { Branch, Ended } from './branch.js'

export interface Distribution {
  readonly encoder: Encoder
  readonly log: Log
  /** Milliseconds that the others wait for a branch, all waits together, before it is cut off. */
  readonly patience: number | undefined
  /** So many batches may be under way to a branch: their views are still valid. */
  readonly most: number
}

/** How long the status of a command is waited for that has closed its input: mostly it has just ended. */
const LAST_WORDS_MS = 1000

/**
 * Writes the same frames to all branches. One that fails is told and left out, the others go on; the slowest sets the
 * pace, unless it is cut off for that.
 * @returns the highest exit status of all branches; 3 at least where END was not complete
 * @throws what was wrong with the frames, after the branches have ended
 */
export async function distribute(
  labelled: Labelled,
  branches: readonly Branch[],
  { encoder, log, patience, most }: Distribution,
): Promise<ExitCode> {
  const lines = branches.map((branch) => openLine(branch, log))
  const live = () => lines.filter((line) => line.isLive)

  /** Waits until no branch has more under way than it may. */
  async function keepPace(): Promise<void> {
    for (;;) {
      const behind = live().filter((line) => line.underWay > most)
      if (behind.length === 0) return
      const moved = Promise.race(live().map((line) => line.moves()))
      const slow = live().some((line) => line.underWay === 0) ? behind.filter((line) => line.cutOff) : []
      if (patience === undefined || slow.length === 0) {
        await moved
        continue
      }
      const since = performance.now()
      await unlessLater(moved, patience - Math.max(...slow.map((line) => line.waitedFor)))
      for (const line of slow) line.waitedFor += performance.now() - since
      for (const line of slow) if (line.waitedFor >= patience) line.cutOff?.()
    }
  }

  let failure: unknown
  try {
    for await (const batch of labelled.frames) {
      const pieces = encoder.encode(batch)
      for (const line of live()) line.put(pieces)
      await keepPace()
      if (live().length === 0) break
    }
  } catch (error) {
    failure = error
  }
  const whole = !failure && live().length > 0 && labelled.exit() === EXIT.complete
  const outcome: Outcome = { status: whole ? 'complete' : 'failed', unreadable: false }
  const isLast = live().length === 1
  const exits = await Promise.all(lines.map((line) => line.end(outcome, patience, isLast)))
  if (failure) throw failure
  return Math.max(labelled.exit(), ...exits) as ExitCode
}

/** What is under way to one branch, and what has become of it. */
function openLine(branch: Branch, log: Log) {
  let isLive = true
  let underWay = 0
  let written = 0n
  let tail: Promise<void> = Promise.resolve()
  /** All has been written, and what ends now ends as it should. */
  let ending = false
  let isCut = false
  let told: Promise<void> | undefined
  let move: (moved: true) => void = () => {}

  /** Fulfilled when it has taken a batch, or takes no more. */
  const moves = () =>
    new Promise<true>((resolve) => {
      move = resolve
    })

  /** It takes no more: the others go on, and whoever waits for it. */
  function leave(): void {
    isLive = false
    move(true)
  }

  function cutOff(): void {
    if (!isLive) return
    isCut = true
    log.error(`${branch.name}: cut off ${after()} of frames: the others have waited for it`)
    branch.cutOff!()
    leave()
  }

  const after = () => `after ${showSize(written)}`

  /** Says, as soon as it is known, why a branch takes no more. */
  async function drop(error: unknown): Promise<void> {
    leave()
    const ended = branch.gone && (await unlessLater(branch.gone, LAST_WORDS_MS))
    if (ended) log.error(`${branch.name}: ${statusOf(ended)} ${after()} of frames`)
    else if (branch.gone) log.error(`${branch.name}: takes no more ${after()} of frames`)
    else log.error(`${asToolError(error).message} ${after()} of frames`)
  }

  async function write(pieces: Bytes[]): Promise<void> {
    if (!isLive) return
    try {
      await branch.write(pieces)
      for (const piece of pieces) written += BigInt(piece.length)
    } catch (error) {
      if (!isCut) told ??= drop(error)
    }
    underWay--
    move(true)
  }

  void branch.gone?.then(() => {
    if (isLive && !ending) told ??= drop(undefined)
  })

  return {
    get isLive() {
      return isLive
    },
    get underWay() {
      return underWay
    },
    /** Milliseconds that others have waited for this branch. */
    waitedFor: 0,
    put(pieces: Bytes[]): void {
      underWay++
      tail = tail.then(() => write(pieces))
    },
    moves,
    cutOff: branch.cutOff && cutOff,
    /** @param isLast nobody else is left who would have waited */
    async end(outcome: Outcome, patience: number | undefined, isLast: boolean): Promise<number> {
      if (patience !== undefined && !isLast && branch.cutOff)
        while (isLive && underWay > 0) if (!(await unlessLater(moves(), patience))) cutOff()
      await tail
      ending = true
      const wasLive = isLive
      const finished = branch.finish(outcome)
      if (isCut && patience !== undefined) await endInTime(branch, patience)
      const ended = await finished
      await told
      if (wasLive && ended.exit !== EXIT.complete) log.error(`${branch.name}: ${statusOf(ended)}`)
      if (wasLive) return ended.exit
      return isCut ? EXIT.incomplete : ended.exit || EXIT.pipe
    },
  }
}

const statusOf = ({ exit, reason }: Ended) =>
  `exit status ${exit}${reason === undefined ? '' : ` (${reason})`}`

/** What has been cut off is not waited for any longer than before. */
async function endInTime({ gone, kill }: Branch, patience: number): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (await unlessLater(gone!, patience)) return
    kill!(signal)
  }
}

/** What is awaited, or undefined where that takes longer. */
async function unlessLater<T>(awaited: Promise<T>, ms: number): Promise<T | undefined> {
  const timer = new AbortController()
  try {
    const later = sleep(Math.max(0, ms), undefined, { signal: timer.signal }).catch(() => undefined)
    return await Promise.race([awaited, later])
  } finally {
    timer.abort()
  }
}
