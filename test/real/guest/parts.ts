import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What test/setup downloaded, and what is made of it; nothing in here is ever installed. */
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'pmem-test')

/** Modules for the guest's control port, network, balloon and shares; those they depend on come along. */
const WANTED = ['virtio_pci', 'virtio_console', 'virtio_net', 'virtio_balloon', '9p', '9pnet_virtio']

/** Files a guest is booted from, by path. */
export interface Parts {
  readonly kernel: string
  /** Kernel modules in the order to load them. */
  readonly modules: readonly string[]
  readonly busybox: string
  /** dropbear and dropbearkey, with the libraries that the host may lack. */
  readonly ssh: readonly string[]
}

/**
 * Unpacks the kernel and the ssh server, once; later calls only list them.
 * @throws {Error} naming test/setup when the packages have not been downloaded
 */
export async function guestParts(): Promise<Parts> {
  const packages = join(CACHE, 'packages')
  const files = await readdir(packages).catch(() => [])
  const kernelPackage = files.find((file) => file.startsWith('linux-image-'))
  if (!kernelPackage) throw new Error(`${packages}: no kernel there: run test/setup`)
  // What is picked out of the packages is part of the name, so that it is picked anew when that changes.
  const picked = createHash('sha256').update(WANTED.join()).digest('hex').slice(0, 8)
  const ready = join(CACHE, `${basename(kernelPackage, '.deb')}-${picked}`)
  if (!(await readdir(ready).catch(() => undefined))) await unpack(packages, files, ready)
  const list = async (folder: string) =>
    (await readdir(join(ready, folder))).sort().map((file) => join(ready, folder, file))
  return {
    kernel: join(ready, 'vmlinuz'),
    modules: await list('modules'),
    busybox: '/bin/busybox',
    ssh: await list('ssh'),
  }
}

async function unpack(packages: string, files: readonly string[], ready: string): Promise<void> {
  await mkdir(CACHE, { recursive: true })
  const work = await mkdtemp(join(CACHE, 'unpack.'))
  try {
    const root = join(work, 'root')
    for (const file of files) await run('dpkg-deb', ['-x', join(packages, file), root])
    const made = join(work, 'made')
    for (const folder of ['modules', 'ssh']) await mkdir(join(made, folder), { recursive: true })
    const boot = await readdir(join(root, 'boot'))
    await cp(join(root, 'boot', boot.find((file) => file.startsWith('vmlinuz-'))!), join(made, 'vmlinuz'))
    let position = 0
    for (const module of await loadOrder(join(root, 'lib/modules'))) {
      await cp(module, join(made, 'modules', `${String(position++).padStart(2, '0')}-${basename(module)}`))
    }
    for (const program of ['usr/sbin/dropbear', 'usr/bin/dropbearkey']) {
      await cp(join(root, program), join(made, 'ssh', basename(program)))
    }
    for (const library of ['libtomcrypt.so.1', 'libtommath.so.1']) {
      const found = join(root, 'usr/lib/x86_64-linux-gnu', library)
      await cp(found, join(made, 'ssh', library), { dereference: true })
    }
    // Another test process may have been first; its result is the same.
    await rename(made, ready).catch(async (error) => {
      if (!(await readdir(ready).catch(() => undefined))) throw error
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** WANTED and what it depends on, dependencies first; what is built into the kernel has no file. */
async function loadOrder(root: string): Promise<string[]> {
  const files = new Map<string, string>()
  for (const file of await readdir(root, { recursive: true })) {
    if (file.endsWith('.ko')) files.set(moduleName(basename(file, '.ko')), join(root, file))
  }
  const order = new Set<string>()
  const add = async (name: string): Promise<void> => {
    const file = files.get(moduleName(name))
    if (!file || order.has(file)) return
    // .modinfo holds NUL-terminated key=value strings.
    const depends = /\0depends=([^\0]*)\0/.exec(await readFile(file, 'latin1'))?.[1] ?? ''
    for (const dependency of depends.split(',').filter(Boolean)) await add(dependency)
    order.add(file)
  }
  for (const name of WANTED) await add(name)
  return [...order]
}

const moduleName = (name: string): string => name.replaceAll('-', '_')
