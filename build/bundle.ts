import { readdirSync } from 'node:fs'
import { build } from 'esbuild'

/**
 * Makes one file of each launcher of src/bin and all that it imports, in place of what tsc made of it: a hundred
 * modules take three times as long to load. The modules of threads come beside them, for that is where they are
 * looked for. Packages stay what they are.
 */
const THREADS = [
  'src/codecs/chunk-worker.ts',
  'src/codecs/read-worker.ts',
  'src/formats/aff4/verify/chunk-thread.ts',
  'src/formats/ewf/ewf-chunk-thread.ts',
]

await build({
  entryPoints: [...readdirSync('src/bin').map((name) => `src/bin/${name}`), ...THREADS],
  entryNames: '[name]',
  outdir: 'dist/src/bin',
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
})
