import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
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

test('the packed tarball, installed globally, runs every tool', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-package-'))
  try {
    const sources = path.join(folder, 'sources')
    copySources(sources)
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
      cwd: sources,
      encoding: 'utf8',
    })
    const tarball = path.join(folder, packed.trim().split('\n').at(-1)!)
    // What `npm ci` has fetched a moment ago is taken from its cache.
    const words = ['--silent', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']
    execFileSync('npm', ['install', ...words, '-g', '--prefix', folder, tarball])
    for (const tool of Object.keys(manifest.bin)) {
      const shown = execFileSync(path.join(folder, 'bin', tool), ['--help'], { encoding: 'utf8' })
      t.true(shown.startsWith(`${tool}: `), tool)
      t.true(existsSync(path.join(folder, 'share/man/man1', `${tool}.1`)), tool)
    }
    const frames = path.join(folder, 'bin', 'pmem-frames')
    const source = path.join(folder, 'bin', 'file-cat')
    const listed = execFileSync('sh', ['-c', `'${source}' package.json | '${frames}'`], { encoding: 'utf8' })
    t.regex(listed, /package\.json/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
