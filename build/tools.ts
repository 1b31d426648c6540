import { readdirSync, readFileSync } from 'node:fs'
import type { Tool } from '../src/cli/tool.js'

/** All tools, in the order of their names. */
export const allTools = (): Promise<Tool[]> => Promise.all(readdirSync('bin').sort().map(toolOf))

/** The tool behind a launcher. */
export async function toolOf(name: string): Promise<Tool> {
  const launcher = readFileSync(`src/bin/${name}.ts`, 'utf8')
  const [, module] = /import\('\.\.\/(.*?)'\)/.exec(launcher)!
  const { tool, imager } = (await import(`../src/${module}`)) as {
    tool?: Tool
    imager?: (name: string) => { tool: Tool }
  }
  return tool ?? imager!(name).tool
}
