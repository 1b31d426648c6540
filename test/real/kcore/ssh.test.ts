import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { freePort, startSsh } from '../guest/ssh.js'
import { BIN, holdsWhatTheHypervisorSaw } from './checks.js'
import { type Lab, openLab, plantPattern, witnessed } from './witness.js'

const run = promisify(execFile)
const SOURCE = 'pmem-read-kcore --no-collect'
const PATTERN_PAGES = 2048

let lab: Lab
let configuration: string
test.before(async () => {
  const port = await freePort()
  lab = await openLab({ memory: 160, sshPort: port })
  configuration = await startSsh(lab.guest, port, lab.folder)
})
test.after.always(() => lab?.close())

test.serial(
  'memory read on one machine and stored on another over ssh is what the hypervisor saw',
  async (t) => {
    await plantPattern(lab.guest, PATTERN_PAGES)
    const volume = join(lab.folder, 'far.aff4')
    const taken = await witnessed(lab, async () => {
      const script = `ssh -F "$0" guest ${SOURCE} | pmem-compress zlib | aff4-sink "$1"; echo "\${PIPESTATUS[@]}"`
      const env = { ...process.env, PATH: `${BIN}:${process.env.PATH}` }
      const { stdout, stderr } = await run('bash', ['-c', script, configuration, volume], { env })
      t.is(stdout, '0 0 0\n', stderr)
      return volume
    })
    await holdsWhatTheHypervisorSaw(t, lab, taken, PATTERN_PAGES)
  },
)
