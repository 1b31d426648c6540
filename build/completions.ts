import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { bashCompletion } from './completions/bash.js'
import { describeTool } from './completions/describe.js'
import { fishCompletion } from './completions/fish.js'
import { zshCompletion } from './completions/zsh.js'
import { allTools } from './tools.js'

/** Writes what shells need to complete words for the tools, from the tables that the tools themselves go by. */
const tools = (await allTools()).map(describeTool)
rmSync('completions', { recursive: true, force: true })
mkdirSync('completions')
writeFileSync('completions/pmem.bash', bashCompletion(tools))
writeFileSync('completions/_pmem', zshCompletion(tools))
writeFileSync('completions/pmem.fish', fishCompletion(tools))
