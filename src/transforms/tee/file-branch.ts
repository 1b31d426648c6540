import { EXIT } from '../../cli/exit.js'
import { asToolError } from '../../cli/failure.js'
import { openOutput } from '../../cli/output.js'
import type { Branch } from './branch.js'

/**
 * A file that holds the frames themselves, under its `.partial` name until END has said complete.
 * @throws {ToolError} as `openOutput`
 */
export function openFileBranch(target: string, replace: boolean): Branch {
  const output = openOutput(target, replace)
  let failure: unknown
  return {
    name: output.name,
    async write(pieces) {
      try {
        await output.write(...pieces)
      } catch (error) {
        failure = error
        throw error
      }
    },
    async finish(outcome) {
      const kept = await output
        .finish(failure ? { ...outcome, status: 'failed' } : outcome)
        .catch((error) => {
          failure ??= error
          return output.path
        })
      if (failure) {
        const { exitCode, message } = asToolError(failure)
        return { exit: exitCode, reason: message.replace(`${output.path}: `, '') }
      }
      if (outcome.status === 'complete') return { exit: EXIT.complete }
      return { exit: EXIT.incomplete, reason: kept ? `what came is in ${kept}` : 'nothing was written' }
    },
  }
}
