import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { NAMESPACES } from './lexicon.js'
import { CONTAINER_DESCRIPTION, INFORMATION_TURTLE, memberLookup, VERSION_TXT } from './names.js'
import { addTurtle, createGraph, type Graph } from './turtle.js'
import { type Member, openMember, readDirectory, readMember } from './zip/reader.js'

/** Bounds for what is held in memory. */
const LARGEST_TURTLE = 256n << 20n
const LARGEST_LABEL = 4096n

export interface VolumeVersion {
  readonly major: number
  readonly minor: number
  readonly tool?: string
}

/** A volume that is being read: its directory and its facts; evidence only when asked for. */
export interface Volume {
  readonly name: string
  readonly urn: string
  /** Undefined where version.txt is missing. */
  readonly version: VolumeVersion | undefined
  readonly turtle: string
  readonly graph: Graph
  /** What is odd about it, for people. */
  readonly warnings: readonly string[]
  readonly members: ReadonlyMap<string, Member>
  /** The member that holds a URN. */
  find(urn: string): Member | undefined
  /** The content of a member: stored bytes are read where they lie, deflated ones are held in memory. */
  open(member: Member): Promise<ByteSource>
  /**
   * The whole content of a member, checked against its CRC.
   * @param limit a larger one is refused before anything is allocated
   */
  read(member: Member, limit: bigint): Promise<Bytes>
}

/**
 * Reads the directory and the turtle of a volume.
 * @throws {FormatError} naming the source, when it is no volume, is damaged there, or of a generation that is not
 * read
 */
export async function openVolume(source: ByteSource): Promise<Volume> {
  try {
    return await readVolume(source)
  } catch (error) {
    if (error instanceof FormatError) error.message = `${source.name}: ${error.message}`
    throw error
  }
}

async function readVolume(source: ByteSource): Promise<Volume> {
  const { members, comment } = await readDirectory(source)
  const warnings: string[] = []
  const load = async (name: string, limit: bigint) => {
    const member = members.get(name)
    return member && decodeText(await readMember(source, member, limit))
  }
  const refuse = (why: string): never => {
    throw new FormatError(why)
  }

  const label = trimmed(comment)
  const described = trimmed((await load(CONTAINER_DESCRIPTION, LARGEST_LABEL)) ?? '')
  if (label && described && label !== described)
    warnings.push(`the zip comment says ${label}, ${CONTAINER_DESCRIPTION} ${described}`)
  const urn = described || label || refuse('not an AFF4 volume: nothing in it says its URN')
  const version = parseVersion((await load(VERSION_TXT, LARGEST_LABEL)) ?? '')
  if (version && version.major > 2) refuse(`AFF4 version ${version.major}.${version.minor} is not known`)
  const turtle = (await load(INFORMATION_TURTLE, LARGEST_TURTLE)) ?? refuse(`no ${INFORMATION_TURTLE}`)
  if (!turtle.includes(NAMESPACES.aff4)) refuse('a volume from before the Standard, which is not read')
  const graph = createGraph()
  addTurtle(graph, turtle, urn)
  return {
    name: source.name,
    urn,
    version,
    turtle,
    graph,
    warnings,
    members,
    find: memberLookup(members, urn),
    open: (member) => openMember(source, member),
    read: (member, limit) => readMember(source, member, limit),
  }
}

const decodeText = (bytes: Bytes) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')

/** Writers end labels with line ends and NULs. */
const trimmed = (label: string) => label.replace(/[\0\s]+$/, '')

function parseVersion(content: string): VolumeVersion | undefined {
  const lines = content.split(/\r\n|\r|\n/).map((line) => {
    const at = line.indexOf('=')
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()] as const
  })
  const { major, minor, tool } = Object.fromEntries(lines)
  if (!/^\d{1,4}$/.test(major ?? '') || !/^\d{1,4}$/.test(minor ?? '')) return undefined
  return { major: Number(major), minor: Number(minor), ...(tool === undefined ? {} : { tool }) }
}
