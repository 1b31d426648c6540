import path from 'node:path'
import type { Run } from '../../formats/address-space.js'
import { min } from '../../formats/min-max.js'
import type { SystemFile, SystemFiles } from '../../platform/system-files.js'
import { farError } from './far-error.js'
import { partOf } from './protocol.js'
import type { Answer, Session } from './session.js'

/** Asked for with one line: enough that starting dd costs little beside it. */
const PART = 4n << 20n
/** Asked for ahead, so that the link is never idle: what it carries in the time of an answer's way. */
const AHEAD = 8n << 20n
/** One line for each part must not fill the pipe to the far shell. */
const MOST_PARTS = 64

/** The files of a host behind a session. */
export function farFiles(session: Session): SystemFiles {
  return {
    toBecomeRoot: '--sudo reads as root, or log in as root',
    async open(file) {
      await session.probe(file)
      return openFar(session, file)
    },
    async openLasting(file) {
      const size = await session.size(file)
      return { ...openFar(session, file), size }
    },
    readWhole: (file, most) => session.readWhole(file, most),
    async list(folder) {
      const paths = await session.list(folder)
      return paths.filter((file) => !file.endsWith('/*')).map((file) => path.posix.basename(file))
    },
    // Neither sh nor dd tells.
    linkTarget: async () => undefined,
    // Nothing but procfs has this beside its kcore.
    async isOfProc(file) {
      const beside = path.posix.join(path.posix.dirname(file), 'self/stat')
      return session.probe(beside).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.errno === undefined) throw error
          return false
        },
      )
    },
  }
}

/** A file that is read in the order of what is expected, or anywhere, which costs an answer's way each time. */
function openFar(session: Session, file: string): SystemFile {
  let expected: Run[] = []
  let asked: Answer[] = []

  /** Asks for what is expected, as far ahead as the link needs. */
  function askAhead(): void {
    let ahead = asked.reduce((sum, { left }) => sum + left, 0n)
    while (expected[0] && ahead < AHEAD && asked.length < MOST_PARTS) {
      const { start, length } = expected[0]
      const part = partOf(length, PART)
      asked.push(session.ask({ path: file, offset: start, length: part }))
      ahead += part
      if (part === length) expected.shift()
      else expected[0] = { start: start + part, length: length - part }
    }
  }

  /** What was asked is expected again. */
  function recall(): void {
    expected.unshift(
      ...asked.map(({ at, left }) => ({ start: at, length: left })).filter(({ length }) => length > 0n),
    )
    for (const answer of asked) answer.drop()
    asked = []
  }

  /** What stands before an offset is not wanted any more. */
  function forget(offset: bigint): void {
    recall()
    while (expected[0] && expected[0].start < offset) {
      const { start, length } = expected[0]
      if (start + length <= offset) expected.shift()
      else expected[0] = { start: offset, length: start + length - offset }
    }
  }

  async function readAsked(offset: bigint, into: Uint8Array): Promise<number> {
    let got = 0
    for (
      let head = asked[0];
      head && head.at === offset + BigInt(got) && got < into.length;
      head = asked[0]
    ) {
      const room = Number(min(head.left, BigInt(into.length - got)))
      const { count, ending } = await head.read(into.subarray(got, got + room))
      got += count
      if (head.left === 0n) {
        asked.shift()
        head.drop()
        askAhead()
      } else if (ending) {
        asked.shift()
        forget(offset + BigInt(into.length))
        if (got === 0 && ending.status !== 0) throw farError(ending, file)
        break
      }
    }
    return got
  }

  return {
    async read(offset, into) {
      if (asked[0]?.at !== offset) forget(offset)
      if (expected[0]?.start === offset) askAhead()
      if (asked.length > 0) return readAsked(offset, into)
      const length = partOf(BigInt(into.length), PART)
      asked.push(session.ask({ path: file, offset, length }))
      return readAsked(offset, into)
    },
    expect(offset, length) {
      const isPast = (start: bigint) => start >= offset && start < offset + length
      if (length > 0n) expected.push({ start: offset, length })
      return () => {
        for (const answer of asked) if (isPast(answer.at)) answer.drop()
        asked = asked.filter(({ at }) => !isPast(at))
        expected = expected.filter(({ start }) => !isPast(start))
      }
    },
    close() {
      for (const answer of asked) answer.drop()
      asked = []
      expected = []
    },
  }
}
