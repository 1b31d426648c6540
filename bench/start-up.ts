import { readdirSync } from 'node:fs'
import { inTurn, runPipeline } from './measure.js'

/** Milliseconds of processor time that any tool may take beyond Node itself before it does anything. */
const TARGET = 60
/** Runs of one measurement, since a shell counts in milliseconds. */
const RUNS = 10

/** Prints what each tool's start takes above `node -e 0`. */
export async function benchStartUp(): Promise<void> {
  const tenTimes = (command: string) => () =>
    runPipeline(`for i in $(seq ${RUNS}); do ${command} > /dev/null; done`)
  const tools = readdirSync('bin')
  const costs = await inTurn(3, {
    node: tenTimes(`'${process.execPath}' -e 0`),
    ...Object.fromEntries(tools.map((tool) => [tool, tenTimes(`bin/${tool} --version`)])),
  } as Record<string, () => ReturnType<typeof runPipeline>>)
  const above = (tool: string) =>
    `${Math.round(((costs[tool]!.processor - costs.node!.processor) / RUNS) * 1000)} ms`
  console.log(`\nstart-up, processor time above node -e 0, to stay below ${TARGET} ms`)
  for (const tool of tools) console.log(`  ${tool.padEnd(20)} ${above(tool)}`)
}
