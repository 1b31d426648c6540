import type { ToolError } from '../../../src/cli/exit.js'
import { asToolError } from '../../../src/cli/failure.js'
import { parseWords } from '../../../src/cli/launch.js'
import type { Log } from '../../../src/cli/messages.js'
import type { Context, Io, Tool } from '../../../src/cli/tool.js'

export interface Told {
  readonly status: number
  readonly stdout: string
  readonly messages: readonly string[]
}

/** Runs a tool that prints in this process: starting one for each of hundreds of files takes longer than the tests. */
export async function tell(tool: Tool, ...words: string[]): Promise<Told> {
  const printed: string[] = []
  const messages: string[] = []
  const say = (message: string) => void messages.push(message)
  const log: Log = {
    error: say,
    warn: say,
    info: say,
    verbose: () => {},
    debug: () => {},
    progress: () => {},
    clearProgress: () => {},
  }
  const io = {
    interrupted: new AbortController().signal,
    print: async (text: string) => void printed.push(text),
  } as Pick<Io, 'interrupted' | 'print'> as Io
  const context: Context = { ...parseWords(tool, words), log, io }
  try {
    const status = await tool.run(context)
    return { status, stdout: printed.join(''), messages }
  } catch (error) {
    const failure: ToolError = asToolError(error)
    messages.push(failure.message)
    if (failure.hint) messages.push(failure.hint)
    return { status: failure.exitCode, stdout: printed.join(''), messages }
  }
}
