import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { runSource } from './collect.js'
import { factsOf, folder } from './files/support.js'

test('folders, files and links come back out of a volume with their names, facts and targets', async (t) => {
  const root = folder(t)
  mkdirSync(path.join(root, 'tree/empty'), { recursive: true })
  mkdirSync(Buffer.from(`${root}/tree/caf\xe9`, 'latin1'))
  writeFileSync(path.join(root, 'tree/file'), 'content')
  symlinkSync('file', path.join(root, 'tree/link'))
  symlinkSync(Buffer.from('caf\xe9', 'latin1'), path.join(root, 'tree/to latin'))
  for (const options of ['', '--logical']) {
    const volume = path.join(root, `out${options}.aff4`)
    execFileSync(
      'sh',
      [
        '-c',
        `'${process.cwd()}/bin/file-cat' tree | '${process.cwd()}/bin/aff4-sink' ${options} '${volume}'`,
      ],
      {
        cwd: root,
      },
    )
    const { streams, status } = await runSource('aff4-cat', [volume])
    t.is(status, 0)
    t.deepEqual(
      streams.map(({ body }) => [body.kind, body.name]),
      [
        ['folder', 'tree'],
        ['folder', 'tree/caf%E9'],
        ['folder', 'tree/empty'],
        ['image', 'tree/file'],
        ['link', 'tree/link'],
        ['link', 'tree/to latin'],
      ],
    )
    t.is(streams[1]!.body.nameBytes, Buffer.from('tree/caf\xe9', 'latin1').toString('base64'))
    t.deepEqual(streams[4]!.body.properties, { target: 'file' })
    t.deepEqual(streams[5]!.body.properties, {
      target: 'caf%E9',
      targetBytes: Buffer.from('caf\xe9', 'latin1').toString('base64'),
    })
    for (const { turtle, close } of streams) {
      t.like(factsOf(turtle), { uid: String(process.getuid!()) })
      t.is(close?.status, 'complete')
    }
    const named = await runSource('aff4-cat', [volume, '--stream', 'tree/link'])
    t.deepEqual(
      named.streams.map(({ body }) => body.name),
      ['tree/link'],
    )
  }
})
