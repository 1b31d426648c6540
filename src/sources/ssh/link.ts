import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import type { Readable, Writable } from 'node:stream'
import { EXIT, ToolError } from '../../cli/exit.js'
import { reasonOf } from '../../cli/failure.js'
import type { Log } from '../../cli/messages.js'
import {
  type AnswerDecoder,
  askForWhole,
  createAnswerDecoder,
  type Ending,
  ProtocolError,
  script,
} from './protocol.js'

/** How a host is reached. */
export interface Target {
  /** `[USER@]HOST`. */
  readonly host: string
  /** Of the ssh program. */
  readonly sshOptions: readonly string[]
  readonly sudo: boolean
  /** For sudo; undefined where there is none to be had. */
  password(): Promise<Buffer | undefined>
}

/** A shell on a host. */
export interface Link {
  /** Sends a line of shell. */
  say(line: string): void
  begin(sequence: number, offset: bigint | undefined): void
  /**
   * Bytes of the answer, or how it ends.
   * @throws {LostLink} when no more comes, {ProtocolError} from what is no answer
   */
  next(into: Uint8Array): Promise<number | Ending>
  /** Of the boot that the host is in; undefined where it doesn't tell. */
  readonly bootId: string | undefined
  /** When the last bytes came, in milliseconds since the Unix epoch. */
  heardAt(): number
  close(): void
}

/** How long to wait for a far side, in milliseconds. */
export interface Patience {
  /** For a shell to begin; for ever where absent: somebody may be typing a password. */
  readonly greetingMs?: number
  /** For more of an answer. */
  readonly silenceMs?: number
}

/** The connection broke off. What is asked again over another one is not lost. */
export class LostLink extends Error {
  override readonly name = 'LostLink'
}

/** Number of the last question that a new link has asked by itself. */
export const LAST_OF_LINK = 1
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/** What a login may print before the shell begins. */
const MOST_OF_GREETING = 1 << 16
const MOST_OF_MESSAGES = 1 << 14
const SILENCE_MS = 60_000
/** Who waits for a shell is told what it waits for: another prompt than the one that is answered. */
const NOTICE_MS = 5000
/** How long ssh may take to end when the far side is gone. */
const LAST_WORDS_MS = 2000

/**
 * Starts ssh, and by it a shell that answers.
 * @throws {ToolError} with ssh's own words
 */
export async function openLink(
  target: Target,
  log: Log,
  interrupted: AbortSignal,
  { greetingMs, silenceMs = SILENCE_MS }: Patience,
): Promise<Link> {
  const nonce = randomBytes(16).toString('hex')
  // The command line is for everyone on the host to see.
  const [ready, prompt] = [
    `ready-${randomBytes(8).toString('hex')}`,
    `sudo-${randomBytes(8).toString('hex')}:`,
  ]
  const shell = `sh -c 'echo ${ready}; exec sh'`
  const command = target.sudo ? `exec sudo -S -p ${prompt} ${shell}` : `exec ${shell}`
  const child = spawn('ssh', ['-T', ...target.sshOptions, target.host, command], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const wire = openWire(child, interrupted)
  try {
    let told = ''
    const waiting = setInterval(() => {
      const asks = wire.unfinished()
      if (asks !== told && asks !== '') log.warn(`${target.host}: there is no shell yet, but: ${asks}`)
      told = asks
    }, NOTICE_MS)
    await greet(wire, target, ready, prompt, greetingMs).finally(() => clearInterval(waiting))
    const decoder = createAnswerDecoder(nonce)
    const link = answering(wire, decoder, silenceMs)
    link.say(script(nonce))
    link.begin(0, undefined)
    decoder.feed(wire.rest())
    const { ending } = await listen(link)
    if (ending.status !== 0)
      throw new ToolError(EXIT.unavailable, `dd can't be run there: ${ending.complaint.trim()}`, {
        hint: 'it takes sh and dd on the host, busybox will do',
      })
    link.say(askForWhole(LAST_OF_LINK, BOOT_ID, 1))
    link.begin(LAST_OF_LINK, 0n)
    const { text } = await listen(link)
    log.debug(`${target.host}: a shell answers`)
    return { ...link, bootId: text.trim() || undefined }
  } catch (error) {
    wire.close()
    throw error
  }
}

/** A whole answer that is short. */
async function listen(link: Pick<Link, 'next'>): Promise<{ text: string; ending: Ending }> {
  const room = Buffer.alloc(MOST_OF_GREETING)
  for (let got = 0; ; ) {
    const step = await link.next(room.subarray(got))
    if (typeof step !== 'number') return { text: room.toString('latin1', 0, got), ending: step }
    got += step
  }
}

function answering(wire: Wire, decoder: AnswerDecoder, silenceMs: number): Omit<Link, 'bootId'> {
  return {
    say: wire.say,
    begin: decoder.begin,
    async next(into) {
      for (;;) {
        const step = decoder.next(into)
        if (step !== undefined) return step
        const chunk = await wire.read(silenceMs)
        if (!chunk) throw new LostLink(await wire.lastWords())
        decoder.feed(chunk)
      }
    },
    heardAt: wire.heardAt,
    close: wire.close,
  }
}

/** Waits for the shell, and gives sudo its password when it asks. */
async function greet(
  wire: Wire,
  { host, sudo, password }: Target,
  ready: string,
  prompt: string,
  patience: number | undefined,
): Promise<void> {
  let asked = 0
  wire.onMessage(prompt, async () => {
    const given = ++asked === 1 ? await password() : undefined
    if (given) {
      wire.say(Buffer.concat([given, Buffer.from('\n')]))
      given.fill(0)
    } else if (asked === 1)
      wire.fail(
        new ToolError(EXIT.permission, 'sudo asks for a password', {
          hint: '--password-fd N reads it from a file descriptor',
        }),
      )
    else wire.fail(new ToolError(EXIT.permission, 'sudo does not take the password'))
  })
  for (;;) {
    const found = wire.unread().indexOf(`${ready}\n`)
    if (found >= 0) {
      wire.skip(found + ready.length + 1)
      return
    }
    if (wire.unread().length > MOST_OF_GREETING) throw new ProtocolError(`${host} talks instead of a shell`)
    const chunk = await wire.read(patience)
    if (!chunk) throw await refusal(wire, sudo)
    wire.unread(chunk)
  }
}

/** Why there is no shell, as ssh or sudo tells it. */
async function refusal(wire: Wire, sudo: boolean): Promise<ToolError> {
  const words = await wire.lastWords()
  const ended = await wire.ended
  if (ended instanceof Error)
    throw new ToolError(EXIT.unavailable, `ssh: ${ended.message}`, {
      hint: 'the ssh program must be installed here',
      cause: ended,
    })
  if (/permission denied|authentication|host key verification/i.test(words))
    return new ToolError(EXIT.permission, words, { hint: 'it must be a host that ssh alone gets into' })
  if (sudo && /sudo/.test(words))
    return new ToolError(/not found/.test(words) ? EXIT.unavailable : EXIT.permission, words)
  return new ToolError(wire.broken() ? EXIT.io : EXIT.noInput, words)
}

type Wire = ReturnType<typeof openWire>

/** The pipes of ssh. */
function openWire(child: ChildProcessByStdio<Writable, Readable, Readable>, interrupted: AbortSignal) {
  const chunks = child.stdout.iterator() as AsyncIterator<Buffer>
  let heard = Date.now()
  let messages = ''
  let failure: Error | undefined
  let broken: Error | undefined
  let watched: { words: string; act: () => void } | undefined
  let unread: Buffer = Buffer.alloc(0)

  const ended = new Promise<number | string | Error>((resolve) => {
    child.once('error', resolve)
    child.once('close', (status, signal) => resolve(signal ?? status ?? 0))
    // Something that ssh has started may keep its standard error.
    child.once('exit', (status, signal) => setTimeout(resolve, LAST_WORDS_MS, signal ?? status ?? 0))
  })
  // What can't be sent is noticed by what does not come.
  child.stdin.on('error', () => {})
  for (const pipe of [child.stdout, child.stderr])
    pipe.on('error', (error) => {
      broken ??= error
    })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    messages = (messages + text).slice(-MOST_OF_MESSAGES)
    if (watched && messages.includes(watched.words)) {
      messages = messages.replace(watched.words, '')
      watched.act()
    }
  })
  const close = () => {
    interrupted.removeEventListener('abort', close)
    child.stdin.destroy()
    // Not everything that is called ssh ends when it is told to.
    child.stdout.destroy()
    child.kill()
    setTimeout(() => child.kill('SIGKILL'), LAST_WORDS_MS).unref()
  }
  interrupted.addEventListener('abort', close)

  return {
    ended,
    close,
    say: (words: string | Buffer) => void child.stdin.write(words),
    heardAt: () => heard,
    /** What standard error says behind its last line: a prompt, as a rule. */
    unfinished: () => messages.slice(messages.lastIndexOf('\n') + 1).trim(),
    /** What came could not be read. */
    broken: () => broken !== undefined,
    /** What has come and nobody has taken; what is given here comes behind it. */
    unread(more?: Buffer): Buffer {
      if (more) unread = Buffer.concat([unread, more])
      return unread
    },
    skip(count: number) {
      unread = unread.subarray(count)
    },
    rest(): Buffer {
      const rest = unread
      unread = Buffer.alloc(0)
      return rest
    },
    /** Acts whenever standard error says these words. */
    onMessage(words: string, act: () => void) {
      watched = { words, act }
    },
    fail(error: Error) {
      failure = error
      close()
    },
    /** What comes next; undefined when nothing will. */
    async read(patience?: number): Promise<Buffer | undefined> {
      const late = patience === undefined ? undefined : setTimeout(() => giveUp(patience), patience)
      try {
        const { value, done } = await chunks.next().catch(() => ({ value: undefined, done: true }))
        if (failure) throw failure
        if (done || !value) return undefined
        heard = Date.now()
        return value
      } finally {
        clearTimeout(late)
      }
    },
    /** The last thing that ssh, sudo or the far shell said. */
    async lastWords(): Promise<string> {
      const late = setTimeout(close, broken ? 0 : LAST_WORDS_MS)
      const how = await ended
      clearTimeout(late)
      const said = messages.trim().split('\n').at(-1)?.trim()
      if (said) return said
      if (broken) return `what comes from ssh cannot be read: ${reasonOf(broken)}`
      if (how instanceof Error) return how.message
      return how === 0
        ? 'the host closed the connection'
        : `ssh ended with ${typeof how === 'number' ? 'status ' : ''}${how}`
    },
  }

  function giveUp(patience: number): void {
    failure = new LostLink(`nothing came for ${patience / 1000} s`)
    close()
  }
}
