import { execFileSync, spawnSync } from 'node:child_process'
import path from 'node:path'
import type { Result } from './pipeline.js'

const BIN = path.resolve('bin')

/** Makes a folder with all that a file system lets one make. */
export function makeNastyTree(folder: string): void {
  execFileSync('/usr/bin/python3', [path.resolve('test/sinks/nasty-tree.py'), folder])
}

/** Runs a bash script in a folder, our tools in its PATH. */
export function shell(cwd: string, script: string): Result {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script], {
    cwd,
    env: { ...process.env, PATH: `${BIN}:${process.env.PATH}` },
    maxBuffer: 1 << 28,
  })
  return { status, stdout, stderr: stderr.toString() }
}

/** An object of an AFF4-L volume as Python reads it; properties of AFF4 without their namespace. */
export type LogicalObject = { urn: string; types: string[]; sha256?: string } & Record<string, string[]>

export interface LogicalVolume {
  readonly names: string[]
  /** By originalFileName. */
  readonly objects: Record<string, LogicalObject[]>
}

/** Reads an AFF4-L volume with zipfile and rdflib; what does not hold together is thrown. */
export function readLogical(file: string): LogicalVolume {
  const read = execFileSync('/usr/bin/python3', [path.resolve('test/sinks/logical.py'), file], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  return JSON.parse(read) as LogicalVolume
}
