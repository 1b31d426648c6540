import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Run } from '../../../src/formats/address-space.js'
import { bootGuest, type Guest, type GuestOptions } from '../guest/guest.js'
import { installToolkit } from '../guest/toolkit.js'
import type { Witnessed } from './agreement.js'
import { openFlatImage } from './flat-image.js'
import { writePattern } from './pattern.js'

const run = promisify(execFile)
/** Emulated on a busy machine; on an idle one it is half a minute. */
const ACQUISITION_SECONDS = 900
const DECODER = fileURLToPath(new URL('../../../../test/real/decode-memory.py', import.meta.url))

/** What a decoder that shares no code with ours makes of a volume. */
export interface Decoded {
  /** By the target of the map: `data`, `Zero`, `UnreadableData`, `UnknownData`. */
  readonly runs: Readonly<Record<string, readonly Run[]>>
  /** What the graph says about the memory, by the last part of each property's name. */
  readonly facts: Readonly<Record<string, string>>
  /** SHA-256 of what was read, in ascending order. */
  readonly data: string
  /** SHA-256 of the flat image, unreadable pages as zeros, if any. */
  readonly sha256?: string
}

/** Decodes the volume's memory, and lays it out flat in `image`, where one is named. */
export async function decodeMemory(volume: string, image?: string): Promise<Decoded> {
  const words = [DECODER, volume, ...(image === undefined ? [] : [image])]
  const { stdout } = await run('/usr/bin/python3', words, { maxBuffer: 1 << 28 })
  const { runs, ...told } = JSON.parse(stdout) as Omit<Decoded, 'runs'> & {
    runs: Record<string, [string, string][]>
  }
  const asRun = ([start, length]: [string, string]): Run => ({ start: BigInt(start), length: BigInt(length) })
  return {
    ...told,
    runs: Object.fromEntries(Object.entries(runs).map(([name, list]) => [name, list.map(asRun)])),
  }
}

/** A guest that has the toolkit on its PATH, and a folder of the host for what is learnt from it. */
export interface Lab {
  readonly guest: Guest
  readonly folder: string
  close(): Promise<void>
}

export async function openLab(options: GuestOptions): Promise<Lab> {
  const folder = await mkdtemp(join(tmpdir(), 'pmem-kcore-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  const guest = await bootGuest(options).catch(async (error) => {
    await remove()
    throw error
  })
  const close = async () => {
    await guest.stop()
    await remove()
  }
  try {
    await installToolkit(guest)
  } catch (error) {
    await close()
    throw error
  }
  return { guest, folder, close }
}

/** Leaves pages of known content in the guest's memory. */
export async function plantPattern(guest: Guest, pages: number): Promise<void> {
  writePattern(join(guest.share, 'pattern'), pages)
  await guest.ok('cp /run/share/pattern /run/pattern && rm /run/share/pattern')
}

export interface Taken extends Witnessed {
  readonly volume: string
  readonly decoded: Decoded
}

/** Has `take` write a volume while the hypervisor looks before and after. */
export async function witnessed({ guest, folder }: Lab, take: () => Promise<string>): Promise<Taken> {
  const dump = async (name: string) => {
    await guest.dump(join(folder, name))
    return openFlatImage(join(folder, name))
  }
  const before = await dump('before')
  const volume = await take()
  const after = await dump('after')
  const decoded = await decodeMemory(volume, join(folder, 'taken'))
  return { volume, decoded, before, taken: openFlatImage(join(folder, 'taken')), after }
}

/** Runs a pipeline in the guest that ends in `aff4-sink`, and gives the volume's path on the host. */
export async function acquire(
  { guest }: Lab,
  pipeline: string,
  statuses: readonly number[],
): Promise<string> {
  const { stdout, stderr } = await guest.run(
    `cd /run/share; ${pipeline} | aff4-sink -t taken.aff4; echo "\${PIPESTATUS[@]}"`,
    ACQUISITION_SECONDS,
  )
  if (stdout.trim() !== statuses.join(' ')) throw new Error(`${pipeline}: status ${stdout}${stderr}`)
  return join(guest.share, 'taken.aff4')
}
