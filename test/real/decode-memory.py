"""decode-memory.py VOLUME [OUT]: the memory of an AFF4 volume, decoded without any of pmem's own code.

OUT becomes a flat image (offset = physical address). Standard output is JSON: `runs`, for each target
of the map a list of [address, length] in ascending order, `facts`, what the graph says about the
image and its map, `data`, the SHA-256 of what was read, in ascending order, and `sha256` of OUT, if any.
"""
import hashlib
import json
import struct
import sys
import zipfile
import zlib

import rdflib
import snappy

AFF4 = rdflib.Namespace("http://aff4.org/Schema#")
DECOMPRESS = {
    "http://code.google.com/p/snappy/": snappy.decompress,
    "https://www.ietf.org/rfc/rfc1950.txt": zlib.decompress,
    "http://aff4.org/Schema#NullCompressor": bytes,
}

volume = zipfile.ZipFile(sys.argv[1])
graph = rdflib.Graph().parse(data=volume.read("information.turtle"), format="turtle")


def member(urn, tail):
    return volume.read(urn.replace("aff4://", "aff4%3A%2F%2F") + tail)


def facts(subject):
    return {p.split("#")[-1].split("/")[-1]: str(o) for p, o in graph.predicate_objects(subject)}


class Stream:
    """An aff4:ImageStream: bevies of chunks, with an index of (u64 offset, u32 length) a chunk."""

    def __init__(self, urn):
        self.urn, self.bevy = urn, None
        number = lambda name: int(graph.value(urn, AFF4[name]))
        self.chunk_size, self.per_bevy = number("chunkSize"), number("chunksInSegment")
        self.decompress = DECOMPRESS[str(graph.value(urn, AFF4.compressionMethod))]

    def chunk(self, k):
        bevy, slot = divmod(k, self.per_bevy)
        if self.bevy != bevy:
            self.bevy = bevy
            self.data = member(self.urn, "/%08d" % bevy)
            self.index = member(self.urn, "/%08d.index" % bevy)
        offset, length = struct.unpack_from("<QI", self.index, slot * 12)
        stored = self.data[offset:offset + length]
        return stored if length == self.chunk_size else self.decompress(stored)

    def copy(self, start, length, out, address):
        while length:
            k, skip = divmod(start, self.chunk_size)
            piece = self.chunk(k)[skip:skip + length]
            read.update(piece)
            if out:
                out.seek(address)
                out.write(piece)
            start, address, length = start + len(piece), address + len(piece), length - len(piece)


image = graph.value(None, rdflib.RDF.type, AFF4.MemoryImage)
memory = graph.value(image, AFF4.dataStream)
targets = [rdflib.URIRef(line) for line in member(memory, "/idx").decode().split()]
streams = {t: Stream(t) for t in targets if (t, rdflib.RDF.type, AFF4.ImageStream) in graph}
runs, read, digest = {}, hashlib.sha256(), None
out = open(sys.argv[2], "w+b") if len(sys.argv) > 2 else None
for address, length, start, target in sorted(struct.iter_unpack("<QQQI", member(memory, "/map"))):
    urn = targets[target]
    name = "data" if urn in streams else urn.split("#")[-1]
    mine = runs.setdefault(name, [])
    if mine and sum(mine[-1]) == address:
        mine[-1][1] += length
    else:
        mine.append([address, length])
    if urn in streams:
        streams[urn].copy(start, length, out, address)
if out:
    out.truncate(int(graph.value(memory, AFF4.size)))
    out.seek(0)
    digest = hashlib.sha256()
    while block := out.read(1 << 22):
        digest.update(block)
    out.close()
json.dump({
    "runs": {name: [[str(start), str(length)] for start, length in mine] for name, mine in runs.items()},
    "facts": facts(memory) | facts(image),
    "data": read.hexdigest(),
} | ({"sha256": digest.hexdigest()} if digest else {}), sys.stdout)
