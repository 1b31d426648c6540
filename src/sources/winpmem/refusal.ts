import { EXIT, ToolError } from '../../cli/exit.js'
import { FormatError } from '../../formats/format-error.js'
import { explainRefusal } from '../../platform/windows/refusals.js'
import { Win32Error } from '../../platform/windows/win32.js'

const STATUS = { missing: EXIT.unavailable, permission: EXIT.permission, device: EXIT.io } as const

/**
 * What Windows or the driver refused, for the user; any other error as it is.
 * @param subject what was refused, where the error has no better name for it
 */
export function asRefusal(subject: string, error: unknown): unknown {
  if (error instanceof FormatError)
    return new ToolError(EXIT.data, `${subject}: ${error.message}`, { cause: error })
  if (!(error instanceof Win32Error)) return error
  const { kind, why, hint } = explainRefusal(error)
  return new ToolError(STATUS[kind], `${serviceOf(error) ?? subject}: ${why}`, {
    ...(hint !== undefined && { hint }),
    cause: error,
  })
}

/** What is refused at the start is the driver, before and after that its service. */
function serviceOf({ syscall, subject }: Win32Error): string | undefined {
  if (syscall === 'OpenSCManagerW') return 'the service manager'
  const service = /^(?:Create|Open|Delete|Control)Service/.test(syscall)
  return service && subject !== undefined ? `service ${subject}` : undefined
}
