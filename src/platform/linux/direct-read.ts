import fs from 'node:fs'
import type { Bytes } from '../../formats/byte-source.js'
import { readUninterrupted } from '../read-uninterrupted.js'

/** The types of Node name it only together with those of a browser. */
declare const WebAssembly: { Memory: new (size: { initial: number }) => { buffer: ArrayBuffer } }

/** Bytes of one read at most. */
const MOST = 1 << 20
const WASM_PAGE = 64 << 10

/** Reads past the page cache. */
export interface DirectReader {
  /**
   * Like a read of the descriptor it was made from, of whole sectors.
   * @throws the operating system's error; EINVAL where the range is none of whole sectors
   */
  read(address: bigint, length: number, into: Bytes): Bytes
  close(): void
}

/**
 * Opens what `fd` is open on once more, with O_DIRECT: the page cache reads and fails by pages, and so loses
 * the good sectors beside a bad one.
 * @throws the operating system's error where this is not possible
 */
export function openDirect(fd: number): DirectReader {
  const direct = fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_RDONLY | fs.constants.O_DIRECT)
  // O_DIRECT wants aligned memory. A Buffer's address is anyone's guess, WebAssembly's is that of a page.
  const memory = new Uint8Array(new WebAssembly.Memory({ initial: MOST / WASM_PAGE }).buffer)
  return {
    read(address, length, into) {
      const count = readUninterrupted(direct, memory, 0, Math.min(length, MOST), address)
      into.set(memory.subarray(0, count))
      return into.subarray(0, count)
    },
    close: () => fs.closeSync(direct),
  }
}
