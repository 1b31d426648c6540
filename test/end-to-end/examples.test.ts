import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { parse } from 'yaml'
import { openShell, type Shell } from '../cli/shell.js'

const EXAMPLES = path.resolve('examples')
const IMAGES = path.resolve('test/data/images')

interface Bench extends Shell {
  /** The files below a folder, or a file, by their paths in it. */
  list(folder: string): string[]
  /** Stands in for a program. */
  stand(name: string, script: string): void
}

/** A folder with evidence in several formats, and a shell that finds stand-ins before the real programs. */
function bench(t: ExecutionContext): Bench {
  const shell = openShell(t)
  const at = (...names: string[]) => path.join(shell.folder, ...names)
  mkdirSync(at('stand-ins'))
  mkdirSync(at('evidence'))
  for (const name of ['t.elf', 't.lime', 't.avml', 't-bmp.dmp'])
    cpSync(path.join(IMAGES, name), at('evidence', name))
  // What is packed, and what goes with an image.
  writeFileSync(at('evidence', 'packed.gz'), gzipSync('memory'))
  writeFileSync(at('evidence', 't.lime.txt'), 'notes of who acquired it')
  return {
    ...shell,
    run: (script) => shell.run(`PATH=$PWD/stand-ins:$PATH\n${script}`),
    list: (folder) =>
      (readdirSync(at(folder), { recursive: true }) as string[])
        .filter((name) => statSync(at(folder, name)).isFile())
        .sort(),
    stand(name, script) {
      writeFileSync(at('stand-ins', name), `#!/bin/bash\n${script}\n`)
      chmodSync(at('stand-ins', name), 0o755)
    },
  }
}

const REST = `export PATH=\${PATH#*:}`
const VOLUMES = ['t-bmp.dmp.aff4', 't.avml.aff4', 't.elf.aff4', 't.lime.aff4']

/** Which files have other bytes, or are others, than before. */
function changes({ folder, list }: Bench, name: string): () => string[] {
  const state = () =>
    new Map(list(name).map((file) => [file, statSync(path.join(folder, name, file)).ino] as const))
  const before = state()
  return () => [...state()].filter(([file, ino]) => before.get(file) !== ino).map(([file]) => file)
}

function damage(file: string): void {
  const bytes = readFileSync(file)
  bytes[bytes.length >> 1]! ^= 1
  writeFileSync(file, bytes)
}

test('convert-all.sh converts what is an image, says what is none, and does nothing twice', async (t) => {
  const b = bench(t)
  mkdirSync(path.join(b.folder, 'evidence', 'a folder'))
  cpSync(path.join(IMAGES, 't-xnum.elf'), path.join(b.folder, 'evidence', 'a folder', "it's one.elf"))
  const convert = `${EXAMPLES}/convert-all.sh evidence converted`
  const first = await b.run(convert)
  t.is(first.status, 65, first.stderr)
  t.deepEqual(b.list('converted'), ["a folder/it's one.elf.aff4", ...VOLUMES])
  t.regex(first.stdout.toString(), /^evidence\/packed\.gz: cannot be converted$/m)
  t.regex(first.stdout.toString(), /^evidence\/t\.lime\.txt: goes with another$/m)
  const verified = await b.run('find converted -name "*.aff4" -exec aff4-verify {} \\;')
  t.is(verified.stdout.toString().match(/^matched +hash SHA256/gm)?.length, 5)

  const changed = changes(b, 'converted')
  t.is((await b.run(`rm evidence/packed.gz; ${convert}`)).status, 0)
  t.deepEqual(changed(), [])

  // Damaged, older than its image, and cut: each is made again, as it was.
  const was = readFileSync(path.join(b.folder, 'converted/t.elf.aff4'))
  damage(path.join(b.folder, 'converted/t.elf.aff4'))
  const again = await b.run(`touch evidence/t.avml; cd converted
    head -c 300 t.lime.aff4 > t.lime.partial.aff4; rm t.lime.aff4; cd ..; sleep 0.1; touch evidence/t.avml; ${convert}`)
  t.is(again.status, 0, again.stderr)
  t.deepEqual(changed().sort(), ['t.avml.aff4', 't.elf.aff4', 't.lime.aff4'])
  t.deepEqual(b.list('converted').length, 5)
  t.true(was.equals(readFileSync(path.join(b.folder, 'converted/t.elf.aff4'))))
})

test('convert-all.sh tells what is worth another attempt, which then makes it', async (t) => {
  const b = bench(t)
  const convert = `${EXAMPLES}/convert-all.sh evidence converted`
  b.stand(
    'image-cat',
    `${REST}; case $1 in *t.elf) image-cat "$1" | head -c 5000; kill -9 $$;; *) exec image-cat "$1";; esac`,
  )
  const killed = await b.run(convert)
  t.is(killed.status, 3, killed.stderr)
  t.regex(killed.stdout.toString(), /^evidence\/t\.elf: failed, another attempt may help$/m)
  const others = VOLUMES.filter((name) => name !== 't.elf.aff4')
  t.deepEqual(b.list('converted'), [...others, 't.elf.partial.aff4'].sort())
  b.stand('image-cat', `${REST}; exec image-cat "$1"`)
  const changed = changes(b, 'converted')
  t.is((await b.run(convert)).status, 65)
  t.deepEqual(changed(), ['t.elf.aff4'])
  t.deepEqual(b.list('converted'), VOLUMES)
  t.is((await b.run(`${EXAMPLES}/convert-all.sh nowhere converted`)).status, 66)
  t.is((await b.run(`${EXAMPLES}/convert-all.sh`)).status, 64)
})

test('convert-all.sh takes bad ranges, which are recorded, for converted', async (t) => {
  const b = bench(t)
  const made = await b.run(`rm evidence/*; head -c 8192 /dev/zero > evidence/disk.raw
    printf '# Mapfile.\\n0x0 + 1\\n0x0 0x1000 +\\n0x1000 0x1000 -\\n' > evidence/disk.raw.map`)
  t.is(made.status, 0)
  const convert = `${EXAMPLES}/convert-all.sh evidence converted`
  t.is((await b.run(convert)).status, 2)
  t.is((await b.run(convert)).status, 0)
})

test('the Makefile makes each volume and its proof once, and what fails stops nothing else', async (t) => {
  const b = bench(t)
  const make = `make -j2 -f ${EXAMPLES}/Makefile EVIDENCE=evidence CONVERTED=converted`
  const first = await b.run(make)
  t.is(first.status, 2)
  t.regex(first.stderr, /packed\.gz\.aff4\] Error 1/)
  const made = VOLUMES.flatMap((name) => [name, `${name}.verified`])
  t.deepEqual(b.list('converted'), made)
  t.regex(
    readFileSync(path.join(b.folder, 'converted/t.elf.aff4.verified'), 'utf8'),
    /^matched +hash SHA256/m,
  )

  const changed = changes(b, 'converted')
  const second = await b.run(`rm evidence/packed.gz; ${make}`)
  t.is(second.status, 0, second.stderr)
  t.deepEqual(changed(), [])

  damage(path.join(b.folder, 'converted/t.elf.aff4'))
  t.is((await b.run(make)).status, 2)
  t.false(existsSync(path.join(b.folder, 'converted/t.elf.aff4.verified')))
  t.true(existsSync(path.join(b.folder, 'converted/t.elf.aff4.damaged')))
  t.is((await b.run(make)).status, 0)
  t.deepEqual(
    changed().filter((name) => !name.startsWith('t.elf')),
    [],
  )
  t.is((await b.run(`cp evidence/t.elf 'evidence/two words'; ${make}`)).status, 2)
})

test('the job of GitHub Actions installs, converts, tries again, verifies and keeps what there is', async (t) => {
  const b = bench(t)
  const workflow = parse(readFileSync(path.join(EXAMPLES, 'github-actions.yml'), 'utf8'))
  const { env, steps } = workflow.jobs.convert as {
    env: Record<string, string>
    steps: { name?: string; run?: string; if?: string; uses?: string; with?: Record<string, unknown> }[]
  }
  // The packed package, as npm installs it.
  mkdirSync(path.join(b.folder, 'global', 'pmem'), { recursive: true })
  cpSync(EXAMPLES, path.join(b.folder, 'global/pmem/examples'), { recursive: true })
  b.stand('npm', `echo "$@" >> $OLDPWD/npm.log; [ "$1" = root ] && echo ${b.folder}/global; exit 0`)
  b.stand('sleep', `echo "$@" >> ${b.folder}/pauses`)
  b.stand(
    'image-cat',
    `${REST}; case $1 in *t.elf) [ -e ${b.folder}/failed ] || { touch ${b.folder}/failed; kill -9 $$; };; esac; exec image-cat "$1"`,
  )
  const settings = Object.entries(env).map(([name, value]) => `export ${name}='${value}'`)

  async function runJob(): Promise<Record<string, number>> {
    const statuses: Record<string, number> = {}
    let failed = false
    for (const { name, run, if: when } of steps) {
      if (run === undefined || (failed && when !== 'always()')) continue
      writeFileSync(path.join(b.folder, 'step'), run)
      const { status } = await b.run(
        `${settings.join('\n')}\nOLDPWD=$PWD bash --noprofile --norc -eo pipefail step`,
      )
      statuses[name!] = status
      failed ||= status !== 0
    }
    return statuses
  }
  t.deepEqual(await runJob(), { Install: 0, Convert: 1, Verify: 0 })
  t.is(readFileSync(path.join(b.folder, 'pauses'), 'utf8'), '60\n')
  const kept = VOLUMES.flatMap((name) => [name, `${name}.verified`])
  t.deepEqual(b.list('converted'), ['SHA256SUMS', ...kept])
  t.is((await b.run('cd converted && sha256sum --quiet -c SHA256SUMS')).status, 0)

  const changed = changes(b, 'converted')
  await b.run('rm evidence/packed.gz')
  t.deepEqual(await runJob(), { Install: 0, Convert: 0, Verify: 0 })
  t.deepEqual(
    changed().filter((name) => name.endsWith('.aff4')),
    [],
  )
  const uploaded = steps.find(({ uses }) => uses?.startsWith('actions/upload-artifact@'))
  t.is(uploaded?.if, 'always()')
  t.is(uploaded?.with?.path, env.CONVERTED)
})

test('acquire-hosts.sh goes on with the hosts that are not done, and tells of a link that broke', async (t) => {
  const b = bench(t)
  b.stand('pmem-read', `${REST}; exec image-cat ${b.folder}/evidence/t.elf`)
  b.stand(
    'ssh',
    `host=$3; echo "$host" >> ${b.folder}/asked
    [ $host = gone ] && [ ! -e ${b.folder}/repaired ] && exit 255
    [ $host = breaks ] && [ ! -e ${b.folder}/repaired ] && { bash -c "$4" | head -c 700; exit 255; }
    exec bash -c "$4"`,
  )
  const acquire = `printf 'one\\nbreaks\\ngone\\nroot@two\\n' > hosts; ${EXAMPLES}/acquire-hosts.sh hosts acquired`
  const first = await b.run(acquire)
  t.is(first.status, 3, first.stderr)
  const done = (hosts: string[]) => hosts.flatMap((host) => [`${host}.aff4`, `${host}.aff4.verified`])
  t.deepEqual(
    b.list('acquired').filter((name) => !name.startsWith('breaks.partial')),
    ['joblog', ...done(['one', 'root@two'])],
  )

  const changed = changes(b, 'acquired')
  const second = await b.run(`touch repaired; rm asked; ${acquire}`)
  t.is(second.status, 0, second.stderr)
  t.deepEqual(readFileSync(path.join(b.folder, 'asked'), 'utf8').split('\n').sort(), ['', 'breaks', 'gone'])
  t.deepEqual(b.list('acquired'), ['joblog', ...done(['one', 'root@two', 'breaks', 'gone'])].sort())
  t.deepEqual(
    changed().filter((name) => /^(one|root)/.test(name)),
    [],
  )
  t.is((await b.run(`rm asked; ${acquire}; [ ! -e asked ]`)).status, 0)
})
