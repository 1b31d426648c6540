import { DETERMINISTIC } from '../cli/deterministic.js'
import type { Tool } from '../cli/tool.js'
import { SEAL_OPTIONS, sealOf } from './aff4/seal.js'
import { volumeKind } from './aff4/volume-kind.js'
import { openVolumeOutput } from './aff4/volume-output.js'
import { volumeReceiver } from './aff4/volume-receiver.js'
import { receive } from './receive.js'
import { roomOf } from './sink-output.js'

/** aff4-sink: every stream that comes, into one AFF4 Standard v1.0 volume. */
export const tool: Tool = {
  name: 'aff4-sink',
  role: 'sink',
  usage: 'OUT.aff4',
  summary: 'write an AFF4 volume',
  options: {
    'block-hashes': { help: 'store a SHA-256 of each chunk as well' },
    logical: { help: 'an AFF4-L volume: each file, folder and link an object of its own, named by its path' },
    layout: { value: 'standard|rekall', help: 'rekall: what the suite of 2015 reads; else standard' },
    deterministic: DETERMINISTIC,
    onto: { help: 'put the volume behind a file that is none' },
    ...SEAL_OPTIONS,
  },
  operands: [1, 1],
  async run(context) {
    const { operands, options } = context
    const kind = volumeKind(options)
    const encrypt = options.flag('encrypt')
    const [replace, onto] = [options.flag('truncate'), options.flag('onto')]
    const deterministic = options.flag('deterministic')
    const place = { replace, onto, encrypt, deterministic, kind }
    const target = await openVolumeOutput(operands[0]!, place, roomOf(context))
    const seal = await sealOf(options, operands[0]!)
    return receive(context, volumeReceiver(target, context, seal))
  },
}
