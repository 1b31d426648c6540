import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { mergeRuns } from '../../../src/formats/address-space.js'
import { freePort, startSsh } from '../guest/ssh.js'
import { onHost } from '../guest/toolkit.js'
import { iomemRuns } from './agreement.js'
import { holdsWhatTheHypervisorSaw } from './checks.js'
import { decodeMemory, type Lab, openLab, plantPattern, witnessed } from './witness.js'

const SOURCE = 'pmem-read-kcore --no-collect'
const STATUSES = `echo "\${PIPESTATUS[@]}"`
const PATTERN_PAGES = 2048

/** Bytes after which the guest is stopped. */
const ENOUGH = 20e6

let lab: Lab
let configuration: string
test.before(async () => {
  const port = await freePort()
  lab = await openLab({ memory: 256, sshPort: port })
  configuration = await startSsh(lab.guest, port, lab.folder)
})
test.after.always(() => lab?.close())

test.serial(
  'memory read on one machine and stored on another over ssh is what the hypervisor saw',
  async (t) => {
    await plantPattern(lab.guest, PATTERN_PAGES)
    const volume = join(lab.folder, 'far.aff4')
    const taken = await witnessed(lab, async () => {
      const script = `ssh -F "$0" guest ${SOURCE} | pmem-compress zlib | aff4-sink "$1"; ${STATUSES}`
      const { stdout, stderr } = await onHost(script, configuration, volume)
      t.is(stdout, '0 0 0\n', stderr)
      return volume
    })
    await holdsWhatTheHypervisorSaw(t, lab, taken, PATTERN_PAGES)
  },
)

test.serial('a machine that dies while it sends leaves a volume that says where it ends', async (t) => {
  const { guest, folder } = lab
  const ram = iomemRuns(await guest.ok('cat /proc/iomem'), 'System RAM')
  const frames = join(folder, 'frames')
  const script = `ssh -F "$0" guest ${SOURCE} | tee "$1" | pmem-compress zlib | aff4-sink "$2"; ${STATUSES}`
  const sent = onHost(script, configuration, frames, join(folder, 'cut.aff4'))
  let ended = false
  void sent.finally(() => {
    ended = true
  })
  const size = () =>
    stat(frames).then(
      (found) => found.size,
      () => 0,
    )
  while (!ended && (await size()) <= ENOUGH) await sleep(100)
  await guest.stop()

  const { stdout, stderr } = await sent
  t.is(stdout, '255 0 3 3\n', stderr)
  const { runs, facts } = await decodeMemory(join(folder, 'cut.partial.aff4'), join(folder, 'cut'))
  t.not(facts.acquisitionCompletionState, 'Completed Normally')
  t.is(runs.UnknownData!.length, 1)
  t.deepEqual(mergeRuns(Object.values(runs).flat()), ram)
})
