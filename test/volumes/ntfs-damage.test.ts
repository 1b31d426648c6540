import { writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { tool as dumpTool } from '../../src/volumes/ntfs-dump.js'
import { tool as statTool } from '../../src/volumes/ntfs-stat.js'
import { DAMAGES } from '../formats/ntfs/images/damage.js'
import { edit } from '../formats/ntfs/images/editor.js'
import { image } from '../formats/ntfs/images/image.js'
import { scratch } from '../sinks/pipeline.js'
import { tell } from './ntfs/run.js'

/** Of a sound file of this volume it is a fraction. */
const MOST_OUTPUT = 4 << 20
const EXPECTED = {
  'volume refused': [65],
  'object lost': [2, 65],
  reported: [0, 2],
}

for (const { name, path: damaged = 'size-100', outcome, patch } of DAMAGES)
  test(`${name}: ntfs-stat and ntfs-dump tell what there is, and say what is not`, async (t) => {
    const volume = edit(await image('small'))
    const record = String(volume.record(damaged))
    patch(volume)
    const file = path.join(await scratch(t), 'image')
    writeFileSync(file, volume.bytes)

    const text = await tell(statTool, '-l', file, record)
    t.true(EXPECTED[outcome].includes(text.status), `${text.status} ${text.messages.join('\n')}`)
    t.true(text.stdout.length < MOST_OUTPUT)
    t.is(text.status === 2, /^Findings$/m.test(text.stdout))
    if (text.status === 65) t.true(text.messages.length > 0)

    const json = await tell(statTool, '--json', file, record)
    t.is(json.status, text.status)
    if (json.status !== 65)
      t.is((JSON.parse(json.stdout) as { findings: string[] }).findings.length > 0, text.status === 2)

    const data = await tell(dumpTool, file, record)
    t.true([0, 2, 65].includes(data.status))
    t.is(data.status === 2, data.stdout.includes('[unreadable: '))
    t.true(data.stdout.length < MOST_OUTPUT)
    if (outcome !== 'volume refused') t.is((await tell(dumpTool, file, record, '--record')).status, 0)

    const root = await tell(statTool, file)
    t.true(EXPECTED[outcome === 'volume refused' ? outcome : 'reported'].includes(root.status))
  })
