import { join } from 'node:path'
import test from 'ava'
import { mergeRuns } from '../../../src/formats/address-space.js'
import { onHost } from '../guest/toolkit.js'
import { iomemRuns } from './agreement.js'
import {
  holdsWhatTheHypervisorSaw,
  leadsToTheKernel,
  saysHowMuchChanged,
  showsTheKernelToGdb,
} from './checks.js'
import { acquire, decodeMemory, type Lab, openLab, type Taken, witnessed } from './witness.js'

const READ = 'pmem-read-kcore --no-collect'
const AS_NOBODY = 'setpriv --reuid=65534 --regid=65534 --clear-groups'

let lab: Lab
let taken: Taken
test.before(async () => {
  lab = await openLab({ memory: 384, paging: 4 })
  taken = await witnessed(lab, () => acquire(lab, READ, [0, 0]))
})
test.after.always(() => lab?.close())

test.serial('a volume taken under 4-level paging holds what the hypervisor saw', (t) =>
  holdsWhatTheHypervisorSaw(t, lab, taken, 0),
)

test.serial(
  'a volume says how many pages changed while they were read, no more than the hypervisor saw',
  (t) => saysHowMuchChanged(t, lab, taken),
)

test.serial('the page table root and the KASLR shift lead to the kernel through four levels of tables', (t) =>
  leadsToTheKernel(t, lab, taken, 4),
)

test.serial('gdb finds the kernel in a core of the volume', (t) => showsTheKernelToGdb(t, lab, taken))

test.serial('an ordinary user is told that root is needed', async (t) => {
  const { status, stderr } = await lab.guest.run(`${AS_NOBODY} ${READ} >/dev/null`)
  t.is(status, 77)
  t.regex(stderr, /^pmem-read-kcore: \/proc\/kcore: user 65534 is not root\nhint: .*sudo/)
})

test.serial(
  'where /proc/iomem hides its addresses, the ranges are those of kcore, and it says so',
  async (t) => {
    const { guest } = lab
    const hidden = 'setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin'
    t.regex(await guest.ok(`${hidden} cat /proc/iomem`), /^00000000-00000000 : System RAM$/m)
    const { stdout, stderr } = await guest.run(
      `${hidden} ${READ} | pmem-frames --json | grep -m 1 '"stream",'`,
    )
    t.regex(stderr, /iomem hides addresses/)
    const ranges = (JSON.parse(stdout) as { body: { ranges: [string, string][] } }).body.ranges
    t.deepEqual(
      ranges.map(([start, length]) => ({ start: BigInt(start), length: BigInt(length) })),
      iomemRuns(await guest.ok('cat /proc/iomem'), 'System RAM'),
    )
  },
)

test.serial('root without CAP_SYS_RAWIO is told which capability is missing', async (t) => {
  const bounded = 'setpriv --bounding-set=-sys_rawio --inh-caps=-sys_rawio'
  const { status, stderr } = await lab.guest.run(`${bounded} ${READ} >/dev/null`)
  t.is(status, 77)
  t.regex(stderr, /^pmem-read-kcore: \/proc\/kcore: .*CAP_SYS_RAWIO/)
})

test.serial('one command takes the memory, the files that go with it, and those asked for', async (t) => {
  const { guest, folder } = lab
  const command = 'cd /run/share; linpmem -c snappy -m -i /bin/true -o one.aff4; echo $?'
  const { stdout, stderr } = await guest.run(command, 400)
  t.regex(stdout, /^Imaging memory\n(.*\n)*Adding \/proc\/kallsyms as file:\/\/\/proc\/kallsyms\n/, stderr)
  t.regex(stdout, /\nAdding \/bin\/true as file:\/\/\/bin\/true\n0\n$/, stderr)
  const volume = join(guest.share, 'one.aff4')
  await onHost('aff4-cat "$0" --stream /bin/true | raw-sink - | cmp - /bin/true', volume)
  const { runs } = await decodeMemory(volume, join(folder, 'one'))
  t.deepEqual(
    mergeRuns(Object.values(runs).flat()),
    iomemRuns(await guest.ok('cat /proc/iomem'), 'System RAM'),
  )
})

test.serial(
  'lockdown=integrity lets memory be read, lockdown=confidentiality is named as the reason why not',
  async (t) => {
    const lockDown = (mode: string) => `echo ${mode} >/sys/kernel/security/lockdown`
    const allowed = await lab.guest.run(`${lockDown('integrity')}; ${READ} | head -c 1000000 | wc -c`)
    t.is(allowed.stdout, '1000000\n', allowed.stderr)
    const { status, stdout, stderr } = await lab.guest.run(
      `${lockDown('confidentiality')}; ${READ} | aff4-sink /run/share/none.aff4; echo "\${PIPESTATUS[0]}"; ls /run/share`,
    )
    t.is(status, 0)
    t.regex(stdout, /^77\n/)
    t.notRegex(stdout, /none/)
    t.regex(stderr, /^pmem-read-kcore: \/proc\/kcore: .*lockdown=confidentiality/m)
  },
)
