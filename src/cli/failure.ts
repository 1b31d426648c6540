import { FormatError } from '../formats/format-error.js'
import { LockedError } from '../formats/locked-error.js'
import { EXIT, type ExitCode, ToolError } from './exit.js'

/** What the operating system's errors mean to a user. */
const SYSTEM_ERRORS: Record<string, [ExitCode, string]> = {
  ENOENT: [EXIT.noInput, 'no such file or directory'],
  ENOTDIR: [EXIT.noInput, 'not a directory'],
  EISDIR: [EXIT.noInput, 'is a directory'],
  EACCES: [EXIT.permission, 'permission denied'],
  EPERM: [EXIT.permission, 'operation not permitted'],
  EROFS: [EXIT.cannotCreate, 'read-only file system'],
  EEXIST: [EXIT.cannotCreate, 'file exists'],
  ENOSPC: [EXIT.io, 'no space left on device'],
  EDQUOT: [EXIT.io, 'disk quota exceeded'],
  EFBIG: [EXIT.io, 'file too large'],
  EIO: [EXIT.io, 'input/output error'],
  EPIPE: [EXIT.io, 'the reader closed the pipe'],
  // Of a write on Windows that waited for the reader meanwhile. A read that meets the end says nothing.
  EOF: [EXIT.io, 'the reader closed the pipe'],
}

/** Any thrown value as the failure of a tool: its own, a format's, the operating system's, or a defect. */
export function asToolError(error: unknown): ToolError {
  if (error instanceof ToolError) return error
  if (error instanceof FormatError) {
    const hint = error.hint === undefined ? {} : { hint: error.hint }
    return new ToolError(EXIT.data, error.message, { ...hint, cause: error })
  }
  if (error instanceof LockedError) return lockedError(error)
  const system = error as NodeJS.ErrnoException
  if (error instanceof Error && typeof system.code === 'string' && system.syscall !== undefined) {
    const code = SYSTEM_ERRORS[system.code]?.[0] ?? EXIT.io
    const words = reasonOf(error)
    return new ToolError(code, system.path ? `${system.path}: ${words}` : words, { cause: error })
  }
  return new ToolError(EXIT.internal, `internal error: ${error instanceof Error ? error.message : error}`, {
    hint: 'PMEM_DEBUG=1 shows where; please report it',
    cause: error,
  })
}

function lockedError(error: LockedError): ToolError {
  const ways = error.opens.map((what) => (what === 'password' ? '--password-fd N' : '--key FILE'))
  const hint = ways.length > 0 ? { hint: `${ways.join(' or ')} opens it` } : {}
  return new ToolError(EXIT.permission, error.message, { ...hint, cause: error })
}

/** Why something failed, without the name of what: for messages that name it their own way. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException)?.code
  if (typeof code === 'string') return SYSTEM_ERRORS[code]?.[1] ?? wordsOf(error as Error) ?? code
  return error instanceof Error ? error.message : String(error)
}

/** Node's messages: `EINVAL: invalid argument, read`. */
const wordsOf = ({ message }: Error) => /^E[A-Z0-9]+: ([^,]+)/.exec(message)?.[1]

export function isClosedPipe(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException)?.code
  return code === 'EPIPE' || code === 'EOF'
}
