import { inMib, soak } from './soak.js'

/** `npm run soak [-- SIZE]`: 64 GiB unless told otherwise. */
const [size = '64G'] = process.argv.slice(2)
const { courses, seconds, bytes, complaints } = await soak(size)
for (const { words, peak, firstHalf, secondHalf } of courses)
  console.log(
    `${inMib(peak).padStart(5)} MiB  ${words}  (${inMib(firstHalf)}, ${inMib(secondHalf)} by halves)`,
  )
console.log(
  `acquired in ${seconds.acquire.toFixed(0)} s, verified in ${seconds.verify.toFixed(0)} s, ${inMib(bytes)} MiB`,
)
for (const complaint of complaints) console.error(complaint)
process.exitCode = complaints.length === 0 ? 0 : 1
