import { injectFaults } from './suite.js'

/** `npm run test:faults [-- COUNT [SEED]]`: what is not given is 2000, and the time. */
const [count = '2000', seed = String(Date.now() % 2 ** 31)] = process.argv.slice(2)
console.log(`seed ${seed}`)
const { struck, failures } = await injectFaults(
  Number(count),
  Number(seed),
  (line) => console.log(line),
  true,
)
console.log(`${struck} faults, ${failures.length} failures`)
process.exitCode = failures.length === 0 ? 0 : 1
