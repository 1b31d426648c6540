import { spawnSync } from 'node:child_process'

/** What both scripts need: Debian's Python with its zipfile, rdflib, zlib, snappy, lz4. */
const PRELUDE = `
import hashlib, json, re, struct, sys, zipfile, zlib
import lz4.block, snappy
from rdflib import Graph, URIRef, RDF

AFF4 = 'http://aff4.org/Schema#'
TILE = 1 << 20
DECODE = {
    'http://code.google.com/p/snappy/': lambda data, size: snappy.decompress(data),
    'https://www.ietf.org/rfc/rfc1950.txt': lambda data, size: zlib.decompress(data),
    'https://code.google.com/p/lz4/': lambda data, size: lz4.block.decompress(data, uncompressed_size=size),
}
def chunks(stored, index, size, decode):
    end = 0
    for offset, length in struct.iter_unpack('<QI', index):
        assert offset == end
        end = offset + length
        piece = stored[offset:end]
        piece = piece if length == size else decode(piece, size)
        assert len(piece) == size
        yield piece
    assert end == len(stored)
`

/** A reader of AFF4 that shares nothing with ours. */
const SCRIPT = `${PRELUDE}
class Volume:
    def __init__(self, path):
        self.zip = zipfile.ZipFile(path)
        assert self.zip.testzip() is None
        self.urn = self.zip.comment.decode()
        assert self.zip.namelist()[0] == 'container.description'
        assert self.zip.read('container.description').decode() == self.urn
        assert self.zip.read('version.txt').startswith(b'major=1\\nminor=0\\ntool=')
        self.graph = Graph()
        self.graph.parse(data=self.zip.read('information.turtle').decode(), format='turtle')

    def one(self, subject, name):
        values = list(self.graph.objects(URIRef(subject), URIRef(AFF4 + name)))
        assert len(values) == 1, (subject, name, values)
        return values[0]

    def read(self, urn):
        own = self.urn + '/'
        tail = re.sub(r'[!$\\\\:*%?"<>|]', lambda c: '%%%02X' % ord(c.group()), urn[len(own):])
        return self.zip.read(tail if urn.startswith(own) else 'aff4%3A%2F%2F' + urn[7:])

    def stream(self, urn):
        size, chunk = int(self.one(urn, 'size')), int(self.one(urn, 'chunkSize'))
        per_bevy = int(self.one(urn, 'chunksInSegment'))
        decode = DECODE.get(str(self.one(urn, 'compressionMethod')))
        data = bytearray()
        for bevy in range(-(-size // (chunk * per_bevy))):
            stored = self.read('%s/%08d' % (urn, bevy))
            index = self.read('%s/%08d.index' % (urn, bevy))
            data += b''.join(chunks(stored, index, chunk, decode))
        assert 0 <= len(data) - size < chunk
        return data[:size]

    def entries(self, urn):
        idx = self.read(urn + '/idx').decode()
        assert idx == '' or idx.endswith('\\n')
        targets = idx.splitlines()
        end = 0
        for offset, length, target_offset, target in struct.iter_unpack('<QQQI', self.read(urn + '/map')):
            assert offset >= end and length > 0
            end = offset + length
            yield offset, length, target_offset, targets[target]
        assert end == int(self.one(urn, 'size'))

    def map(self, urn):
        assert self.one(urn, 'mapGapDefaultStream') == URIRef(AFF4 + 'Zero')
        data, streams = bytearray(int(self.one(urn, 'size'))), {}
        for offset, length, at, target in self.entries(urn):
            if target.startswith(AFF4):
                assert at == offset
                data[offset:offset + length] = symbolic(target[len(AFF4):], at, length)
            else:
                if target not in streams: streams[target] = self.stream(target)
                assert at + length <= len(streams[target])
                data[offset:offset + length] = streams[target][at:at + length]
        return data

def symbolic(name, at, length):
    if name == 'Zero': return bytes(length)
    if name.startswith('SymbolicStream'): return bytes([int(name[14:], 16)]) * length
    text = {'UnreadableData': b'UNREADABLEDATA', 'UnknownData': b'UNKNOWN'}[name]
    return bytes(text[(t % TILE) % len(text)] for t in range(at, at + length))

def check_hashes(volume, subject, data):
    count = 0
    for value in volume.graph.objects(URIRef(subject), URIRef(AFF4 + 'hash')):
        name = str(value.datatype)[len(AFF4):].lower()
        if name.startswith('blockmap'): continue
        assert hashlib.new(name, data).hexdigest() == str(value), name
        count += 1
    return count

def describe(path, content):
    volume = Volume(path)
    objects = {}
    for subject, type in volume.graph.subject_objects(RDF.type):
        urn, name = str(subject), str(type)[len(AFF4):]
        if name not in ('Map', 'ImageStream', 'ZipSegment', 'Image'): continue
        entry = objects.setdefault(urn, {'types': []})
        entry['types'] = sorted(str(t).replace(AFF4, '') for t in volume.graph.objects(subject, RDF.type))
        if name == 'Map': entry['entries'] = [[str(a), str(b), str(c), d] for a, b, c, d in volume.entries(urn)]
        if not content or name == 'Image': continue
        data = {'Map': volume.map, 'ImageStream': volume.stream, 'ZipSegment': volume.read}[name](urn)
        entry['size'] = len(data)
        entry['sha256'] = hashlib.sha256(data).hexdigest()
        entry['hashes'] = check_hashes(volume, urn, data)
    for image in objects:
        if 'Image' in objects[image]['types']:
            objects[image]['dataStream'] = str(volume.one(image, 'dataStream'))
            assert str(volume.one(image, 'size')) == str(volume.one(objects[image]['dataStream'], 'size'))
    properties = {}
    for subject, predicate, value in volume.graph:
        properties.setdefault(str(subject), {}).setdefault(str(predicate), []).append(str(value))
    return {'urn': volume.urn, 'objects': objects, 'members': volume.zip.namelist(), 'properties': properties}

content, paths = json.load(sys.stdin)
print(json.dumps([describe(path, content) for path in paths]))
`

/** What a volume holds whose end was never written: local headers one after another, and the checkpoints. */
const WALK = `${PRELUDE}
def walk(data):
    at, members = 0, {}
    while data[at:at + 4] == b'PK\\3\\4' and at + 30 <= len(data):
        flags, method, crc, csize, size, name_length, extra = struct.unpack_from('<HH4xIIIHH', data, at + 6)
        start = at + 30 + name_length + extra
        content = data[start:start + csize]
        if len(content) < csize: break
        if method == 8: content = zlib.decompress(content, -15)
        assert zlib.crc32(content) == crc and len(content) == size
        members[data[at + 30:at + 30 + name_length].decode()] = content
        at = start + csize
    return members
def rebuild(path):
    members = walk(open(path, 'rb').read())
    graph = Graph()
    entries, targets = [], []
    for name, content in members.items():
        if name.startswith('information.turtle/checkpoint/'): graph.parse(data=content.decode(), format='turtle')
        if '/checkpoint/' in name and name.endswith('.idx'): targets += content.decode().splitlines()
        if '/checkpoint/' in name and name.endswith('.map'): entries += struct.iter_unpack('<QQQI', content)
    streams = {}
    for subject in graph.subjects(URIRef(AFF4 + 'chunksInSegment'), None):
        size = int(graph.value(subject, URIRef(AFF4 + 'chunkSize')))
        decode = DECODE.get(str(graph.value(subject, URIRef(AFF4 + 'compressionMethod'))))
        folder = str(subject).replace('aff4://', 'aff4%3A%2F%2F')
        data, number = bytearray(), 0
        while (bevy := '%s/%08d' % (folder, number)) in members:
            data += b''.join(chunks(members[bevy], members[bevy + '.index'], size, decode))
            number += 1
        streams[str(subject)] = data
    pieces = []
    for offset, length, at, target in entries:
        data = streams.get(targets[target], b'')[at:at + length]
        if data: pieces.append([offset, len(data), hashlib.sha256(data).hexdigest()])
    return {'members': list(members), 'pieces': pieces, 'stored': sum(map(len, streams.values()))}
print(json.dumps([rebuild(path) for path in json.load(sys.stdin)]))
`

/** What of a volume is in one that grew out of it: members by their content, facts literally. */
const COMPARE = `${PRELUDE}
def facts(volume):
    graph = Graph()
    graph.parse(data=volume.read('information.turtle').decode(), format='turtle')
    return graph
def compare(old, new):
    old, new = zipfile.ZipFile(old), zipfile.ZipFile(new)
    assert new.testzip() is None
    kept = [name for name in old.namelist() if name != 'information.turtle']
    after = facts(new)
    return {
        'lost': [str(fact) for fact in facts(old) if fact not in after],
        'changed': [name for name in kept if new.read(name) != old.read(name)],
        'comment': new.comment.decode(),
    }
print(json.dumps(compare(*json.load(sys.stdin))))
`

export const compareWithPython = (old: string, grown: string) =>
  runPython(COMPARE, [old, grown]) as { lost: string[]; changed: string[]; comment: string }

export interface Rebuilt {
  members: string[]
  /** Bytes in whole bevies. */
  stored: number
  /** Offset, length and SHA-256 of what the checkpoints say is in them. */
  pieces: [number, number, string][]
}

/** What Python makes of volumes by their local headers alone, all of them in one process. */
export const rebuildWithPython = (paths: readonly string[]): Rebuilt[] => runPython(WALK, paths) as Rebuilt[]

export interface PythonObject {
  types: string[]
  /** Offset, length, target offset, target. */
  entries?: [string, string, string, string][]
  size?: number
  sha256?: string
  /** How many stored digests were recomputed and matched. */
  hashes?: number
  dataStream?: string
}

export interface PythonVolume {
  urn: string
  objects: Record<string, PythonObject>
  members: string[]
  /** Values by subject and predicate. */
  properties: Record<string, Record<string, string[]>>
}

/**
 * What Python finds in volumes, all of them in one process.
 * @param content false leaves the bytes alone, where a map is larger than memory
 * @throws when a volume is not what the Standard says
 */
export function readWithPython(paths: readonly string[], content = true): PythonVolume[] {
  return runPython(SCRIPT, [content, paths]) as PythonVolume[]
}

function runPython(script: string, input: unknown): unknown {
  const { stdout, stderr, status, error } = spawnSync('/usr/bin/python3', ['-W', 'ignore', '-c', script], {
    input: JSON.stringify(input),
    encoding: 'utf8',
    maxBuffer: 1 << 30,
  })
  if (error || status !== 0) throw new Error(`python3: ${error?.message ?? stderr}`)
  return JSON.parse(stdout)
}

/** What `unzip -t` says of a volume; empty when all is well. */
export function unzipComplaints(path: string): string {
  const { stdout, status, error } = spawnSync('unzip', ['-tqq', path], { encoding: 'utf8' })
  if (error) throw error
  return status === 0 ? stdout : `${stdout} (exit ${status})`
}
