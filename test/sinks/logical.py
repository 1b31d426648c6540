"""Reads an AFF4-L volume of version 1.1 with nothing of ours: zipfile, rdflib, zlib. Prints its objects as JSON."""
import base64, hashlib, json, struct, sys, zipfile, zlib
from rdflib import Graph, URIRef, RDF

AFF4 = 'http://aff4.org/Schema#'
volume = zipfile.ZipFile(sys.argv[1])
assert volume.testzip() is None
names = volume.namelist()
assert len(set(names)) == len(names)
urn = volume.comment.decode()
assert volume.read('container.description').decode() == urn
assert volume.read('version.txt').startswith(b'major=1\nminor=1\n')
graph = Graph().parse(data=volume.read('information.turtle').decode(), format='turtle')

def values(subject, name):
    return [str(value) for value in graph.objects(URIRef(subject), URIRef(AFF4 + name))]

def one(subject, name):
    [value] = values(subject, name)
    return value

def member(name):
    tail = name[len(urn) + 1:] if name.startswith(urn + '/') else name
    return volume.read(tail.replace('%20', ' '))

def types(subject):
    return sorted(str(one).replace(AFF4, '') for one in graph.objects(URIRef(subject), RDF.type))

def content(subject):
    kinds = types(subject)
    if 'ZipSegment' in kinds: return member(subject)
    if 'ImageStream' in kinds: return chunks(subject)
    data = bytearray(int(one(subject, 'size')))
    targets = member(subject + '/idx').decode().splitlines()
    for at, length, offset, target in struct.iter_unpack('<QQQI', member(subject + '/map')):
        if targets[target] == AFF4 + 'Zero': continue
        data[at:at + length] = content(targets[target])[offset:offset + length]
    return bytes(data)

def chunks(stream):
    size, decode = int(one(stream, 'chunkSize')), one(stream, 'compressionMethod') == 'https://www.ietf.org/rfc/rfc1950.txt'
    data, bevy = b'', 0
    while '%s/%08d' % (stream, bevy) in names:
        stored = member('%s/%08d' % (stream, bevy))
        for at, length in struct.iter_unpack('<QI', member('%s/%08d.index' % (stream, bevy))):
            piece = stored[at:at + length]
            data += zlib.decompress(piece) if decode and length < size else piece
        bevy += 1
    return data

objects = {}
for subject in set(graph.subjects(RDF.type)):
    name = values(subject, 'originalFileName')
    if not name: continue
    entry = {'urn': str(subject).replace(urn, 'U'), 'types': types(subject)}
    for _, predicate, value in graph.triples((subject, None, None)):
        if predicate != RDF.type:
            entry.setdefault(str(predicate).replace(AFF4, ''), []).append(str(value))
    if 'FileImage' in entry['types']:
        data = content(subject)
        assert len(data) == int(one(subject, 'size')), name
        entry['sha256'] = hashlib.sha256(data).hexdigest()
        assert values(subject, 'hash') == [entry['sha256']], name
    objects.setdefault(name[0], []).append(entry)
json.dump({'names': names, 'objects': objects}, sys.stdout)
