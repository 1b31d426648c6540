import { createPrivateKey, type KeyObject } from 'node:crypto'
import fs from 'node:fs'
import type { Secrets } from '../formats/aff4/encryption/unlock.js'
import type { Options, OptionTable } from './arguments.js'
import { EXIT, ToolError } from './exit.js'
import { asToolError, reasonOf } from './failure.js'
import { askOnTerminal } from './prompt.js'

/**
 * How tools get at the secrets of encrypted volumes: a line of a file descriptor, a prompt on the terminal, a file;
 * never an argument, which other users see.
 */
export const PASSWORD_OPTION: OptionTable = {
  'password-fd': { value: 'N', help: 'read the password from this file descriptor' },
}

/** Of every tool that reads volumes. */
export const SECRET_OPTIONS: OptionTable = {
  ...PASSWORD_OPTION,
  key: { value: 'FILE', help: 'open an encrypted volume with this private key (PEM)' },
}

const LONGEST_PASSWORD = 4096
const LARGEST_PEM = 1 << 20
const TRIES = 3

/** What SECRET_OPTIONS give. They are asked for when the first volume needs them, and once. */
export function secretsOf(options: Options): Secrets {
  const descriptor = options.value('password-fd')
  const keyFile = options.value('key')
  if (descriptor !== undefined) parseDescriptor(descriptor)
  let line: Promise<Buffer | undefined> | undefined
  let key: Promise<KeyObject> | undefined

  function secret(question: string): Promise<Buffer | undefined> {
    line ??= descriptor === undefined ? askOnTerminal(question) : readLine(parseDescriptor(descriptor))
    return line
  }

  return {
    async password(volume) {
      const password = await secret(`password for ${volume}: `)
      return password && Buffer.from(password)
    },
    async privateKey() {
      if (keyFile === undefined) return undefined
      key ??= readPrivateKey(keyFile, () => secret(`passphrase of ${keyFile}: `))
      return key
    },
  }
}

/**
 * A new password: the line of --password-fd, or what is typed twice.
 * @throws {ToolError} usage, when there is none to be had or it is empty; permission, when they differ
 */
export async function newPassword(options: Options, volume: string): Promise<Buffer> {
  const descriptor = options.value('password-fd')
  const password =
    descriptor === undefined ? await typeTwice(volume) : await readLine(parseDescriptor(descriptor))
  if (!password)
    throw new ToolError(EXIT.usage, `${volume}: no terminal to ask for a password`, {
      hint: '--password-fd N reads it from a file descriptor',
    })
  if (password.length === 0) throw new ToolError(EXIT.usage, `${volume}: the password is empty`)
  return password
}

async function typeTwice(volume: string): Promise<Buffer | undefined> {
  for (let left = TRIES; left > 0; left--) {
    const password = await askOnTerminal(`new password for ${volume}: `)
    const again = password && (await askOnTerminal('the same again: '))
    if (!again) return undefined
    const same = password.equals(again)
    again.fill(0)
    if (same) return password
    password.fill(0)
  }
  throw new ToolError(EXIT.usage, `${volume}: the passwords differed ${TRIES} times`)
}

function parseDescriptor(text: string): number {
  if (!/^(?:0|[1-9][0-9]{0,5})$/.test(text) || text === '1' || text === '2')
    throw new ToolError(EXIT.usage, `--password-fd ${text}: not a file descriptor to read from`)
  return Number(text)
}

/** One line, without its end; what follows is left for others. */
async function readLine(descriptor: number): Promise<Buffer> {
  const name = `file descriptor ${descriptor}`
  if (isOwn(descriptor))
    throw new ToolError(EXIT.usage, `--password-fd: ${name}: is not open`, {
      hint: `${descriptor}< FILE at the end of the command opens it`,
    })
  const line = Buffer.alloc(LONGEST_PASSWORD + 1)
  let length = 0
  for (;;) {
    let count: number
    try {
      count = fs.readSync(descriptor, line, length, 1, null)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        await new Promise((resolve) => setTimeout(resolve, 10))
        continue
      }
      throw new ToolError(EXIT.noInput, `--password-fd: ${name}: ${reasonOf(error)}`)
    }
    if (count === 0 || line[length] === 0x0a) break
    if (++length > LONGEST_PASSWORD)
      throw new ToolError(EXIT.usage, `--password-fd: ${name}: no line of ${LONGEST_PASSWORD} bytes`)
  }
  const end = length > 0 && line[length - 1] === 0x0d ? length - 1 : length
  const password = Buffer.from(line.subarray(0, end))
  line.fill(0)
  return password
}

/**
 * Whether a descriptor that the user names is none of theirs: closed, or one of Node's own, of whose pipes this
 * process holds the other end, so that nothing would ever come.
 */
function isOwn(descriptor: number): boolean {
  const folder = '/proc/self/fd'
  if (!fs.existsSync(folder)) return false
  const target = (fd: number | string) => {
    try {
      return fs.readlinkSync(`${folder}/${fd}`)
    } catch {
      return undefined
    }
  }
  const writes = (fd: string) =>
    /^flags:\s*[0-7]*1$/m.test(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))
  const own = target(descriptor)
  if (own === undefined || own.startsWith('anon_inode:')) return true
  return own.startsWith('pipe:') && fs.readdirSync(folder).some((fd) => target(fd) === own && writes(fd))
}

/** A private key in PEM; its passphrase is asked for only when it has one. */
async function readPrivateKey(
  file: string,
  passphrase: () => Promise<Buffer | undefined>,
): Promise<KeyObject> {
  const pem = readSmallFile(file)
  try {
    const key = await parsePrivateKey(file, pem, passphrase)
    if (key.asymmetricKeyType !== 'rsa')
      throw new ToolError(EXIT.data, `${file}: a key of ${key.asymmetricKeyType}, not RSA`)
    return key
  } finally {
    pem.fill(0)
  }
}

async function parsePrivateKey(
  file: string,
  pem: Buffer,
  passphrase: () => Promise<Buffer | undefined>,
): Promise<KeyObject> {
  const parse = (given?: Buffer) => {
    try {
      return createPrivateKey({ key: pem, ...(given && { passphrase: given }) })
    } catch (error) {
      return error as Error
    }
  }
  if (!pem.includes('ENCRYPTED')) {
    const key = parse()
    if (key instanceof Error) throw new ToolError(EXIT.data, `${file}: no private key in PEM`)
    return key
  }
  const given = await passphrase()
  if (!given)
    throw new ToolError(EXIT.permission, `${file}: the key has a passphrase`, {
      hint: '--password-fd N reads it from a file descriptor',
    })
  const opened = parse(given)
  given.fill(0)
  if (opened instanceof Error) throw new ToolError(EXIT.permission, `${file}: wrong passphrase`)
  return opened
}

/**
 * A file of a size that keys and certificates have.
 * @throws {ToolError} when it can't be read or is larger
 */
export function readSmallFile(file: string): Buffer {
  try {
    const size = fs.statSync(file).size
    if (size > LARGEST_PEM) throw new ToolError(EXIT.data, `${file}: ${size} bytes are too many`)
    return fs.readFileSync(file)
  } catch (error) {
    throw asToolError(error)
  }
}
