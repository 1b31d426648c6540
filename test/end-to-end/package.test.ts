import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'

interface Lock {
  packages: Record<string, { dev?: boolean; peer?: boolean; hasInstallScript?: boolean; resolved?: string }>
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  bin: Record<string, string>
  man: string[]
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock

test('every man page is installed, and nothing else', (t) => {
  t.deepEqual(
    manifest.man,
    readdirSync('man')
      .sort()
      .map((name) => `man/${name}`),
  )
})

test('every launcher is installed, and nothing else', (t) => {
  const launchers = readdirSync('bin').map((name) => [name, `bin/${name}`])
  t.deepEqual(Object.entries(manifest.bin).sort(), launchers.sort())
})

test('each launcher runs one file that holds all its tool is made of, threads beside it', (t) => {
  const bundles = 'dist/src/bin'
  for (const tool of Object.keys(manifest.bin)) {
    t.is(readFileSync(`bin/${tool}`, 'utf8'), `#!/usr/bin/env node\nimport '../${bundles}/${tool}.js'\n`)
    t.is(statSync(`bin/${tool}`).mode & 0o111, 0o111, tool)
    const text = readFileSync(`${bundles}/${tool}.js`, 'utf8')
    t.notRegex(text, /\b(from|import)\s*\(?\s*["']\.{1,2}\//, tool)
    for (const [, module] of text.matchAll(/new URL\("\.\/([^"]+)", import\.meta\.url\)/g))
      t.true(existsSync(path.join(bundles, module!)), `${tool}: ${module}`)
  }
})

test('versions are pinned', (t) => {
  for (const version of Object.values({ ...manifest.dependencies, ...manifest.devDependencies }))
    t.regex(version, /^\d+\.\d+\.\d+$/)
})

test('no production dependency runs an install script, and the lock names no registry', (t) => {
  for (const [name, entry] of Object.entries(lock.packages)) {
    t.false(entry.hasInstallScript === true && !entry.dev && !entry.peer, name)
    t.is(entry.resolved, undefined, name)
  }
})

/** A copy of the sources, never built. Packing builds, and the other tests run what is built here. */
function copySources(to: string): void {
  const left = ['.git', 'dist', 'node_modules']
  cpSync('.', to, { recursive: true, filter: (from) => !left.includes(from) })
  symlinkSync(path.resolve('node_modules'), path.join(to, 'node_modules'))
}

const folder = mkdtempSync(path.join(tmpdir(), 'pmem-package-'))
let tarball = ''
test.before(() => {
  const sources = path.join(folder, 'sources')
  copySources(sources)
  const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: sources,
    encoding: 'utf8',
  })
  tarball = path.join(folder, packed.trim().split('\n').at(-1)!)
})
test.after.always(() => rmSync(folder, { recursive: true }))

/** What `npm ci` has fetched a moment ago is taken from its cache. */
const npmInstall = (words: readonly string[], cwd = '.') =>
  execFileSync(
    'npm',
    ['install', '--silent', '--prefer-offline', '--no-audit', '--no-fund', ...words, tarball],
    { cwd },
  )

test('the packed tarball, installed globally, runs every tool', (t) => {
  npmInstall(['--ignore-scripts', '-g', '--prefix', folder])
  for (const tool of Object.keys(manifest.bin)) {
    const shown = execFileSync(path.join(folder, 'bin', tool), ['--help'], { encoding: 'utf8' })
    t.true(shown.startsWith(`${tool}: `), tool)
    t.true(existsSync(path.join(folder, 'share/man/man1', `${tool}.1`)), tool)
  }
  const frames = path.join(folder, 'bin', 'pmem-frames')
  const source = path.join(folder, 'bin', 'file-cat')
  const listed = execFileSync('sh', ['-c', `'${source}' package.json | '${frames}'`], { encoding: 'utf8' })
  t.regex(listed, /package\.json/)
})

test('where no add-on fits, an install into an empty folder compresses and decodes all the same, and says so once', (t) => {
  const here = path.join(folder, 'empty')
  mkdirSync(here)
  npmInstall(['--omit=optional'], here)
  const installed = readdirSync(here, { recursive: true, encoding: 'utf8' })
  t.deepEqual(
    installed.filter((name) => /\.node$|koffi|typescript/.test(name)),
    [],
  )

  writeFileSync(path.join(here, 'evidence'), readFileSync(process.execPath).subarray(0, 24 << 20))
  const env = {
    ...process.env,
    PORTABLE: path.join(here, 'node_modules/.bin'),
    NATIVE: path.resolve('bin'),
  }
  /** What a script of bash tells on standard error. */
  const told = (script: string) => {
    const { status, stderr } = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', script], {
      cwd: here,
      env,
      encoding: 'utf8',
    })
    t.is(status, 0, script + stderr)
    return stderr
  }
  for (const codec of ['snappy', 'lz4']) {
    const once = (tool: string) =>
      `${tool}: no native ${codec} for ${process.platform}-${process.arch} is installed: ` +
      'JavaScript in its place, 2 to 4 times slower\n' +
      'hint: where there is one, npm install --include=optional brings it; the bytes are as good\n'
    const compress = (bin: string, out: string) =>
      `$${bin}/file-cat evidence | $${bin}/pmem-hash sha256 | $${bin}/pmem-compress -j 3 ${codec} | $${bin}/aff4-sink ${out}`
    t.is(told(compress('PORTABLE', `${codec}.aff4`)), once('pmem-compress'))
    t.is(told(`$PORTABLE/pmem -i evidence -c ${codec} -o imager-${codec}.aff4`), once('pmem'))
    t.is(told(compress('NATIVE', `native-${codec}.aff4`)), '')
    const decode = (bin: string, volume: string) =>
      `$${bin}/aff4-cat ${volume} | $${bin}/raw-sink - | cmp - evidence`
    t.is(told(decode('NATIVE', `${codec}.aff4`)), '')
    t.is(told(decode('NATIVE', `imager-${codec}.aff4`)), '')
    t.is(told(decode('PORTABLE', `native-${codec}.aff4`)), once('raw-sink'))
    t.is(told(`$PORTABLE/aff4-verify native-${codec}.aff4`), once('aff4-verify'))
  }
})
