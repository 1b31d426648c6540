import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import test from 'ava'
import { atPort, makeBare, openCutter } from '../guest/bare-ssh.js'
import { freePort, startSsh } from '../guest/ssh.js'
import { onHost } from '../guest/toolkit.js'
import { holdsWhatTheHypervisorSaw } from './checks.js'
import { type Lab, openLab, plantPattern, witnessed } from './witness.js'

const STATUSES = `echo "\${PIPESTATUS[@]}"`
const PATTERN_PAGES = 2048
/** Bytes of what ssh carries, of which memory is the most. */
const BETWEEN_CUTS = [4e6, 16e6] as const

let lab: Lab
let configuration: string
let port: number
test.before(async () => {
  port = await freePort()
  lab = await openLab({ memory: 128, sshPort: port })
  configuration = await startSsh(lab.guest, port, lab.folder)
  await makeBare(lab.guest)
})
test.after.always(() => lab?.close())

test.serial(
  'memory comes whole from a guest of busybox alone that cannot be written to, over a link cut five times',
  async (t) => {
    await plantPattern(lab.guest, PATTERN_PAGES)
    const cuts = Array.from({ length: 5 }, () => randomInt(...BETWEEN_CUTS))
    const cutter = await openCutter(port, cuts)
    t.teardown(() => cutter.close())
    t.log(`cut after ${cuts}`)
    const volume = join(lab.folder, 'far.aff4')
    const far = await atPort(configuration, cutter.port)
    const taken = await witnessed(lab, async () => {
      const script = `pmem-read-ssh guest -- -F "$0" | pmem-compress snappy | aff4-sink "$1"; ${STATUSES}`
      const { stdout, stderr } = await onHost(script, far, volume)
      t.is(stdout, '0 0 0\n', stderr)
      t.is(stderr.match(/: reading goes on$/gm)?.length, 5, stderr)
      return volume
    })
    t.is(cutter.connections(), 6)
    await holdsWhatTheHypervisorSaw(t, lab, taken, PATTERN_PAGES)
    const view = await onHost('aff4-view "$0"', volume)
    t.is(view.stdout.match(/address=0x[0-9a-f]+ lost=\S+Z resumed=\S+Z/g)?.length, 5)
    t.is(taken.decoded.facts.hostName, (await lab.guest.ok('cat /proc/sys/kernel/hostname')).trim())
    const listed = await onHost('aff4-ls "$0"', volume)
    for (const file of ['/proc/kallsyms', '/proc/iomem', '/sys/kernel/btf/vmlinux'])
      t.true(listed.stdout.includes(file), listed.stdout)
  },
)
