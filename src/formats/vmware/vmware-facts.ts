import { asBuffer } from '../../codecs/views.js'
import type { ByteSource } from '../byte-source.js'
import type { Facts, MutableFacts } from '../image/facts.js'
import { readBuffer } from '../read-buffer.js'
import { type Checkpoint, numberOf, readTags, type Tag } from './checkpoint.js'

const EM_X86_64 = 62n
/** Of a root, without the flags of CR3. */
const ROOT = 0x000ffffffffff000n
const CR3 = 3
/** Of the machine's configuration (.vmx), as text. */
const MOST_TEXT = 1n << 20n

/** What a checkpoint tells of the machine: its first processor, its name, the product that wrote it. */
export async function readFacts(source: ByteSource, checkpoint: Checkpoint): Promise<Facts> {
  const facts: MutableFacts = { hypervisor: 'VMware' }
  let cr3: bigint | undefined
  let product: string[] = []
  for (const group of checkpoint.groups) {
    if (group.name === 'cpu')
      for await (const tag of readTags(source, checkpoint, group)) {
        if (tag.name === 'cpu:numVCPUs') facts.processors = numberOf(tag) ?? 0n
        if (tag.name === 'CR64') cr3 = (await wideRegister(source, tag)) ?? cr3
        if (tag.name === 'CR' && isFirst(tag.indices)) cr3 ??= numberOf(tag)
      }
    if (group.name === 'Checkpoint')
      for await (const tag of readTags(source, checkpoint, group))
        if (tag.name === 'ProductName' || tag.name === 'VersionNumber')
          product = [...product, await textOf(source, tag)]
    if (group.name === 'Snapshot')
      for await (const tag of readTags(source, checkpoint, group))
        facts.virtualMachine ??= displayName(await textOf(source, tag))
  }
  if (product.length > 0) facts.hypervisor = product.join(' ')
  if (cr3 === undefined) return facts
  return { ...facts, machine: EM_X86_64, cr3, pageTableRoot: cr3 & ROOT }
}

/** Of the first processor, register 3. */
const isFirst = ([processor, register]: readonly number[]) => processor === 0 && register === CR3

/** CR3, from a tag of its own or from one with all control registers. */
async function wideRegister(source: ByteSource, tag: Tag): Promise<bigint | undefined> {
  if (tag.value) return isFirst(tag.indices) ? numberOf(tag) : undefined
  if (tag.indices[0] !== 0 || tag.compressed || tag.size < BigInt(8 * (CR3 + 1))) return undefined
  const bytes = await readBuffer(source, tag.offset + BigInt(8 * CR3), 8)
  return bytes.length === 8 ? bytes.readBigUInt64LE(0) : undefined
}

async function textOf(source: ByteSource, tag: Tag): Promise<string> {
  if (tag.compressed || tag.size > MOST_TEXT) return ''
  const bytes = tag.value ? asBuffer(tag.value) : await readBuffer(source, tag.offset, Number(tag.size))
  return bytes.toString('utf8').replace(/\0.*$/s, '')
}

/** `displayName = "…"` of a configuration. */
const displayName = (text: string) => /^displayName\s*=\s*"([^"\n]+)"/im.exec(text)?.[1]
