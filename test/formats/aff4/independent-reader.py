"""Recomputes what AFF4 volumes state about themselves with Python's zipfile and codecs and rdflib; nothing here is ours.

Input: a JSON array of sets of volumes that belong together, each an array of paths. Output: for each set those of the
stated digests that it found true, as [subject, property, algorithm].
"""
import hashlib, json, struct, sys, zipfile, zlib
import lz4.block, snappy
from rdflib import Graph, URIRef

KINDS = ('md5', 'sha1', 'sha256', 'sha512', 'blake2b')
TEXTS = {'UnreadableData': b'UNREADABLEDATA', 'UnknownData': b'UNKNOWN'}
def H(kind, data): return hashlib.new(kind, data).digest()
def local(term): return str(term).split('#')[-1]

class Volume:
    def __init__(self, path):
        self.zip = zipfile.ZipFile(path)
        self.names = {name.replace('%3A', ':').replace('%2F', '/'): name for name in self.zip.namelist()}
        turtle = self.zip.read('information.turtle').decode()
        self.graph, self.old = Graph().parse(data=turtle, format='turtle'), 'afflib.org/2009' in turtle
        self.urn = self.zip.comment.decode().rstrip('\0')
    def read(self, urn):
        name = self.names.get(urn, self.names.get(urn.replace(self.urn + '/', '')))
        return self.zip.read(name) if name else None
    def facts(self, subject, *terms):
        return [str(value) for p, value in self.graph.predicate_objects(URIRef(subject)) if local(p) in terms]
    def typed(self, *types): return sorted({str(s) for s, p, o in self.graph if local(p) == 'type' and local(o) in types})

def read_stream(volume, urn):
    (size,), (chunk,) = volume.facts(urn, 'size'), volume.facts(urn, 'chunkSize', 'chunk_size')
    method, chunk = ''.join(volume.facts(urn, 'compressionMethod', 'CompressionMethod')), int(chunk)
    data, index, hashes, bevy = b'', b'', {}, 0
    while (stored := volume.read('%s/%08d' % (urn, bevy))) is not None:
        beside = '%s/%08d%s' % (urn, bevy, '/' if volume.old else '.')
        part = volume.read(beside + 'index')
        ends = struct.unpack('<%dI' % (len(part) // 4), part)
        ranges = [(a, b - a) for a, b in zip((0,) + ends, ends)] if volume.old else struct.iter_unpack('<QI', part)
        for at, length in ranges:
            piece = stored[at:at + length]
            if length == chunk: data += piece
            elif 'snappy' in method: data += snappy.decompress(piece)
            elif 'lz4' in method: data += lz4.block.decompress(piece, uncompressed_size=chunk)
            else: data += zlib.decompress(piece)
        index, bevy = index + part, bevy + 1
        for kind in KINDS:
            if (segment := volume.read(beside + 'blockHash.' + kind)) is not None: hashes[kind] = hashes.get(kind, b'') + segment
    for kind in hashes: assert hashes[kind] == b''.join(H(kind, data[at:at + chunk]) for at in range(0, len(data), chunk))
    return data[:int(size)], index, hashes

def read_map(volume, urn, parts, streams):
    image, targets = bytearray(int(volume.facts(urn, 'size')[0])), parts[1].decode().split()
    for at, length, target_at, target in struct.iter_unpack('<QQQI', parts[0]):
        name = local(targets[target])
        if targets[target] in streams: piece = streams[targets[target]][0][target_at:target_at + length]
        elif name in TEXTS: piece = bytes(TEXTS[name][(t % (1 << 20)) % len(TEXTS[name])] for t in range(target_at, target_at + length))
        else: piece = (b'\0' if name == 'Zero' else bytes.fromhex(name[-2:])) * length
        image[at:at + length] = piece
    return image

def true_digests(paths):
    volumes, found, sums, streams = [Volume(path) for path in paths], [], {}, {}
    def state(subject, term, type, digest):
        stated = {str(v) for volume in volumes for p, v in volume.graph.predicate_objects(URIRef(subject))
                  if local(p) in (term, 'blockHashesHash') and local(getattr(v, 'datatype', '')).lower() == type}
        if stated and digest().hex() in stated: found.append([subject, term, type])
    for volume in volumes:
        own = {urn: read_stream(volume, urn) for urn in volume.typed('ImageStream', 'stream') if volume.facts(urn, 'size')}
        streams.update(own)
        for urn, (data, index, hashes) in own.items():
            for kind in KINDS: state(urn, 'hash', kind, lambda: H(kind, data))
            state(urn, 'imageStreamIndexHash', 'sha512', lambda: H('sha512', index))
            for kind, segment in hashes.items():
                state(urn, 'blockHashesHash', kind, lambda: H(kind, segment))
                state('%s/blockhash.%s' % (urn, kind), 'hash', 'sha512', lambda: H('sha512', segment))
    for volume in volumes:
        for urn in volume.typed('Map', 'map'):
            kind = 'sha256' if volume.old else 'sha512'
            top = [urn, *(str(s) for s, p in volume.graph.subject_predicates(URIRef(urn)) if local(p) == 'dataStream')]
            parts = [part for part in (volume.read(urn + name) for name in ('/map', '/idx', '/mapPath')) if part is not None]
            for term, part in zip(('mapPointHash', 'mapIdxHash', 'mapPathHash'), parts): state(urn, term, kind, lambda: H(kind, part))
            state(urn, 'mapHash', kind, lambda: H(kind, b''.join(parts)))
            own = [streams[t][2] for t in parts[1].decode().split() if t in streams and volume.facts(t, 'size')]
            blocks = [H(k if volume.old else kind, hashes[k]) for k in KINDS for hashes in own if k in hashes]
            sums[urn] = H(kind, b''.join(blocks + [H(kind, part) for part in parts]))
            state(urn, 'blockMapHash', kind, lambda: sums[urn])
            linear = lambda k: H(k, read_map(volume, urn, parts, streams))
            for k in KINDS:
                for subject in set(top): state(subject, 'hash', k, lambda: linear(k))
        for urn in volume.typed('Image'):
            data = sorted({d for v in volumes for d in v.facts(urn, 'dataStream')} & set(sums))
            if data: state(urn, 'hash', 'blockmaphashsha512', lambda: H('sha512', b''.join(map(sums.get, data))) if len(data) > 1 else sums[data[0]])
    return sorted(map(list, set(map(tuple, found))))

print(json.dumps([true_digests(paths) for paths in json.load(sys.stdin)]))
