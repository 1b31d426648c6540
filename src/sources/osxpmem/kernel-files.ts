import fs from 'node:fs'
import path from 'node:path'

/** Kernels since OS X 10.10, and before. */
const KERNELS = ['System/Library/Kernels', 'mach_kernel']
/** Where kernel extensions are installed. */
const EXTENSIONS = ['System/Library/Extensions', 'Library/Extensions']

/**
 * The kernel and its extensions' programs with their property lists: an analyst finds symbols and addresses in them.
 * @param root the system's folder
 * @returns paths of those that are there
 */
export function kernelFiles(root = '/'): string[] {
  return [
    ...KERNELS.flatMap((place) => filesOf(path.join(root, place))),
    ...EXTENSIONS.flatMap((place) => extensionFiles(path.join(root, place))),
  ]
}

/** Extensions hold further ones. Links are not followed. */
function extensionFiles(folder: string): string[] {
  return entriesOf(folder)
    .filter((entry) => entry.isDirectory() && entry.name.endsWith('.kext'))
    .flatMap((entry) => {
      const contents = path.join(folder, entry.name, 'Contents')
      return [
        ...filesOf(path.join(contents, 'Info.plist')),
        ...filesOf(path.join(contents, 'MacOS')),
        ...extensionFiles(path.join(contents, 'PlugIns')),
      ]
    })
}

/** The file, or those of the folder. */
function filesOf(place: string): string[] {
  const stat = fs.lstatSync(place, { throwIfNoEntry: false })
  if (stat?.isFile()) return [place]
  return entriesOf(place)
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(place, entry.name))
}

function entriesOf(folder: string): fs.Dirent[] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch {
    // Each version of the system has some of them only.
    return []
  }
}
