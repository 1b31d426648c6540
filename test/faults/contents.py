"""Says what files hold, decoded without any code of pmem, and whether every byte of it is as it was made.

Input, a line each: {"kind": …, "path": …, "truth": {stream: file}}; "frames" takes "limit" too: only so many bytes count.
Output, a line each: {"streams": {stream: {"known": [[start, end]…], "lost": [[start, end]…], "wrong": address?}},
"complete": bool?, "resumed": [text…]}, or {"error": …}. known: evidence, zeros included. lost: said to be unreadable or
never tried. resumed: what frames and volumes tell of links that broke off. A format that names no stream holds the first
one of `truth`. Where FILE.runs stands beside a file of `truth`, it holds these ranges one after the other.
"""
import json, mmap, os, re, struct, sys, traceback, zipfile, zlib
import lz4.block, rdflib, snappy
from urllib.parse import unquote

ZERO, BLOCK = bytes(1 << 20), 512
TEXTS = b"UNREADABLEDATA", b"UNKNOWN"


def text_at(text, at, length):
    """Tiled from each MiB on."""
    start = at % (1 << 20)
    return (text * ((start + length) // len(text) + 1))[start:start + length]


class Held:
    """What was found of one stream, compared with the truth as it comes."""

    def __init__(self, truth):
        self.known, self.lost, self.wrong, self.truth = [], [], None, truth

    @staticmethod
    def add(spans, start, end):
        if start == end:
            return
        if spans and spans[-1][1] == start:
            spans[-1][1] = end
        else:
            spans.append([start, end])

    def data(self, at, content):
        if content == self.truth[at:at + len(content)]:
            self.add(self.known, at, at + len(content))
        else:
            for from_ in range(0, len(content), BLOCK):
                self.block(at + from_, content[from_:from_ + BLOCK])

    def block(self, at, content):
        """What could not be read is a text where a format has no other way to say it."""
        true = self.truth[at:at + len(content)]
        if content != true and any(content == text_at(text, at, len(content)) for text in TEXTS):
            return self.gap(at, len(content))
        self.add(self.known, at, at + len(content))
        if content != true and self.wrong is None:
            self.wrong = at + next((i for i, (a, b) in enumerate(zip(content, true)) if a != b), len(true))

    def zeros(self, at, length):
        while length:
            piece = ZERO[:length]
            self.data(at, piece)
            at, length = at + len(piece), length - len(piece)

    def gap(self, at, length):
        self.add(self.lost, at, at + length)

    def told(self):
        merged = lambda spans: [s for s in merge(sorted(spans))]
        return {"known": merged(self.known), "lost": merged(self.lost), "wrong": self.wrong}


def merge(spans):
    out = []
    for start, end in spans:
        if out and start <= out[-1][1]:
            out[-1][1] = max(end, out[-1][1])
        else:
            out.append([start, end])
    return out


class Apart:
    """Ranges far apart, as one sparse run of bytes."""

    def __init__(self, content, runs):
        self.content, self.runs, at = content, [], 0
        for start, end in runs:
            self.runs.append((start, end, at - start))
            at += end - start

    def __getitem__(self, wanted):
        parts = ((max(start, wanted.start), min(end, wanted.stop), shift) for start, end, shift in self.runs)
        return b"".join(self.content[start + shift:end + shift] for start, end, shift in parts if start < end)


truths = {}


def truth_of(path):
    if path not in truths:
        with open(path, "rb") as file:
            truths[path] = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if os.path.getsize(path) else b""
        if os.path.exists(f"{path}.runs"):
            truths[path] = Apart(truths[path], json.load(open(f"{path}.runs")))
    return truths[path]


class Streams:
    def __init__(self, truth):
        self.truth, self.held, self.resumed = truth, {}, []

    def named(self, name):
        if len(self.truth) == 1:
            return self.only()
        if name not in self.truth:
            raise ValueError(f"a stream that nobody sent: {name}")
        return self.held.setdefault(name, Held(truth_of(self.truth[name])))

    def only(self):
        name = next(iter(self.truth))
        return self.held.setdefault(name, Held(truth_of(self.truth[name])))


HEADER = struct.Struct("<4sBBHIIQQQII")


def decoded(codec, stored, size):
    if codec == 1:
        return zlib.decompress(stored)
    if codec == 3:
        return snappy.decompress(stored)
    if codec == 4:
        return lz4.block.decompress(stored, uncompressed_size=size)
    return stored


def read_frames(path, streams, limit=None):
    data = open(path, "rb").read()[:limit]
    at, ids, sizes, waiting, complete = 0, {}, {}, None, False
    while at + 48 <= len(data):
        magic, kind, codec, flags, stream, stored, offset, length, _, crc, own = HEADER.unpack_from(data, at)
        if magic != b"PMF1" or zlib.crc32(data[at:at + 44]) != own:
            break
        # The frame before this one counts now.
        if waiting:
            waiting()
        waiting = None
        payload = data[at + 48:at + 48 + stored]
        if len(payload) < stored:
            break
        at += 48 + stored
        if kind == 2:
            body = json.loads(payload)
            ids[stream], sizes[stream] = body["name"], body.get("chunkSize", length)
            streams.named(body["name"])
        elif kind == 3:
            def waiting(held=streams.named(ids[stream]), c=codec, p=payload, o=offset, n=length, s=sizes[stream], f=flags):
                held.data(o, decoded(c, p, s if f & 2 else n)[:n])
        elif kind == 4:
            def waiting(held=streams.named(ids[stream]), c=codec, o=offset, n=length, p=payload):
                held.zeros(o, n) if c == 0 else held.data(o, p * n) if c == 3 else held.gap(o, n)
        elif kind == 5:
            streams.resumed += re.findall(r'pmem:resumption "([^"]*)"', payload.decode())
        elif kind == 9:
            complete = json.loads(payload)["status"] == "complete"
    return complete and at == len(data)


AFF4 = rdflib.Namespace("http://aff4.org/Schema#")
PMEM = rdflib.Namespace("https://pmem.dev/ns#")


def read_aff4(path, streams):
    volume = zipfile.ZipFile(path)
    graph = rdflib.Graph().parse(data=volume.read("information.turtle"), format="turtle")
    names, own = {unquote(name): name for name in volume.namelist()}, volume.comment.decode()

    def member(urn, tail):
        spelled = unquote(urn), unquote(urn.removeprefix(own)), unquote(urn.removeprefix(own)[1:])
        return volume.read(next(names[name + tail] for name in spelled if name + tail in names))

    def chunks(urn):
        fact = lambda term: graph.value(urn, AFF4[term])
        size, most = int(fact("chunkSize")), int(fact("chunksInSegment"))
        method = str(fact("compressionMethod"))
        codec = 3 if "snappy" in method else 4 if "lz4" in method else 1 if "rfc1950" in method else 0
        bevy, members = None, None

        def chunk(number):
            nonlocal bevy, members
            if bevy != number // most:
                bevy = number // most
                members = member(urn, f"/{bevy:08d}"), member(urn, f"/{bevy:08d}.index")
            at, length = struct.unpack_from("<QI", members[1], number % most * 12)
            stored = members[0][at:at + length]
            return stored if length == size else decoded(codec, stored, size)

        return size, chunk

    def read_map(urn, held):
        targets = [rdflib.URIRef(line) for line in member(urn, "/idx").decode().split()]
        readers = {}
        for at, length, start, target in struct.iter_unpack("<QQQI", member(urn, "/map")):
            target = targets[target]
            name = str(target).split("#")[-1]
            if name == "Zero":
                held.zeros(at, length)
            elif name in ("UnreadableData", "UnknownData"):
                held.gap(at, length)
            elif name.startswith("SymbolicStream"):
                held.data(at, bytes.fromhex(name[-2:]) * length)
            else:
                if target not in readers:
                    readers[target] = chunks(target)
                size, chunk = readers[target]
                while length:
                    number, skip = divmod(start, size)
                    piece = chunk(number)[skip:skip + length]
                    held.data(at, piece)
                    at, start, length = at + len(piece), start + len(piece), length - len(piece)

    streams.resumed += [str(told) for told in graph.objects(None, PMEM.resumption)]
    complete = graph.value(None, PMEM.incomplete) is None and (None, PMEM.incomplete, None) not in graph
    kinds = AFF4.Image, AFF4.FileImage, AFF4.MemoryImage, AFF4.DiskImage
    for image in {image for kind in kinds for image in graph.subjects(rdflib.RDF.type, kind)}:
        name = str(graph.value(image, PMEM.name) or graph.value(image, AFF4.originalFileName) or "")
        held = streams.named(name)
        data = graph.value(image, AFF4.dataStream) or image
        kinds = set(graph.objects(data, rdflib.RDF.type))
        if AFF4.Map in kinds:
            read_map(data, held)
        elif AFF4.ImageStream in kinds:
            size, chunk = chunks(data)
            total = int(graph.value(data, AFF4.size))
            for number in range(-(-total // size)):
                held.data(number * size, chunk(number)[:total - number * size])
        else:
            held.data(0, member(data, ""))
    return complete


def read_raw(path, streams):
    held = streams.only()
    held.data(0, open(path, "rb").read())


def read_lime(path, streams):
    held = streams.only()
    with open(path, "rb") as file:
        while len(header := file.read(32)) == 32:
            magic, version, start, end, _ = struct.unpack("<IIQQ8s", header)
            assert (magic, version) == (0x4C694D45, 1), "no record"
            held.data(start, file.read(end - start + 1))


def read_avml(path, streams):
    held, data, at = streams.only(), open(path, "rb").read(), 0
    while at + 32 <= len(data):
        magic, version, start, end, _ = struct.unpack_from("<4sIQQQ", data, at)
        assert (magic, version) == (b"AVML", 2), "no record"
        at += 42
        while start <= end and at + 8 <= len(data):
            length = int.from_bytes(data[at + 1:at + 4], "little")
            stored = data[at + 8:at + 4 + length]
            if len(stored) < length - 4:
                return
            content = snappy.decompress(stored) if data[at] == 0 else stored
            content = content[:end + 1 - start]
            held.data(start, content)
            start, at = start + len(content), at + 4 + length
        at += 8


def read_elf(path, streams):
    held, data = streams.only(), open(path, "rb").read()
    phoff, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for i in range(count):
        if phoff + (i + 1) * size > len(data):
            break
        kind, _, at, virtual, physical, stored, length, _ = struct.unpack_from("<IIQQQQQQ", data, phoff + i * size)
        if kind == 1:
            # Of a process no address is physical.
            held.data(physical or virtual, data[at:at + stored])


def read_zip(path, streams):
    """By the local headers: a file that was cut has no directory."""
    data, at = open(path, "rb").read(), 0
    listed = zipfile.ZipFile(path).infolist() if zipfile.is_zipfile(path) else []
    sizes = {member.header_offset: member.compress_size for member in listed}
    while data[at:at + 4] == b"PK\3\4":
        flags, method = struct.unpack_from("<HH", data, at + 6)
        stored, length = struct.unpack_from("<II", data, at + 18)
        name, extra = struct.unpack_from("<HH", data, at + 26)
        begins = at + 30 + name + extra
        held = streams.named(data[at + 30:at + 30 + name].decode().replace(".partial", ""))
        assert method in (0, 8), "a method"
        stored = sizes.get(at, len(data) - begins if flags & 8 else stored)
        content = data[begins:begins + stored]
        held.data(0, content if method == 0 else zlib.decompressobj(-15).decompress(content))
        at = begins + stored
        at += 16 if data[at:at + 4] == b"PK\7\x08" else 0


def read_map_file(path, streams):
    """ddrescue's map beside an output: only what it tells counts."""
    held = streams.only()
    rows = [line.split() for line in open(path) if line[0] != "#"][1:]
    for start, length, status, *_ in rows:
        (held.known if status == "+" else held.lost).append([int(start, 16), int(start, 16) + int(length, 16)])


READERS = {"frames": read_frames, "aff4": read_aff4, "raw": read_raw, "lime": read_lime, "avml": read_avml,
           "elf": read_elf, "zip": read_zip, "map": read_map_file}

for line in sys.stdin:
    asked = json.loads(line)
    try:
        streams = Streams(asked["truth"])
        more = {"limit": asked["limit"]} if "limit" in asked else {}
        complete = READERS[asked["kind"]](asked["path"], streams, **more)
        answer = {"streams": {name: held.told() for name, held in streams.held.items()}, "complete": complete,
                  "resumed": streams.resumed}
    except Exception as error:
        answer = {"error": "".join(traceback.format_exception_only(error)).strip()}
    print(json.dumps(answer), flush=True)
