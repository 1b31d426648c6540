"""Writes AFF4 volumes the way each generation of writers did, and says what they hold. Shares no code with pmem."""

import base64, hashlib, json, os, random, re, struct, sys, urllib.parse, zlib

import lz4.block, snappy

AFF4 = 'http://aff4.org/Schema#'
LEGACY = 'http://afflib.org/2009/aff4#'
PREFIXES = '@prefix aff4: <%s> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n'
RFC1950, SNAPPY, LZ4 = 'https://www.ietf.org/rfc/rfc1950.txt', 'http://code.google.com/p/snappy/', 'https://code.google.com/p/lz4/'
CHUNK = 4096
rng = random.Random(2015)
folder = sys.argv[1]
cases = []


def deflate(data):
    coder = zlib.compressobj(6, zlib.DEFLATED, -15)
    return coder.compress(data) + coder.flush()


ENCODE = {
    RFC1950: lambda data: zlib.compress(data, 1),
    SNAPPY: snappy.compress,
    'https://github.com/google/snappy': snappy.compress,
    LZ4: lambda data: lz4.block.compress(data, store_size=False),
    'https://tools.ietf.org/html/rfc1951': deflate,
    'http://tools.ietf.org/html/rfc1951': deflate,
}


# ---------------------------------------------------------------- ZIP

def local_header(style, name, data, stored, method):
    crc = zlib.crc32(data)
    sizes = struct.pack('<QQ', len(data), len(stored))
    fixed = lambda needed, flags, crc, csize, size, extra: struct.pack(
        '<4sHHHHHIIIHH', b'PK\3\4', needed, flags, method, 0, 0x21, crc, csize, size, len(name), len(extra)) + name + extra
    descriptor = b'PK\7\10' + struct.pack('<IQQ', crc, len(stored), len(data))
    if style == 'evimetry':
        return fixed(45, 8, 0, 0xffffffff, 0xffffffff, struct.pack('<HH', 1, 16) + b'\xff' * 16), descriptor
    if style == 'pyaff4':
        return fixed(45, 0x808, crc, 0xffffffff, 0xffffffff, struct.pack('<HH', 1, 16) + sizes), b''
    if style == 'c-aff4':
        return fixed(45, 8, 0, 0, 0, struct.pack('<HH', 1, 28) + bytes(28)), descriptor
    if style == '2015':
        return fixed(20, 8, crc, len(stored), len(data), struct.pack('<HH', 1, 28) + sizes + bytes(12)), b''
    return fixed(20, 0, crc, len(stored), len(data), b''), b''


def write_zip(path, urn, members, style, prefix=b'', absolute=False, unreferenced=()):
    """members: (name, content) or (name, content, 'deflate'), in their order."""
    out = bytearray(prefix)
    base = 0 if absolute else len(prefix)
    directory, count = b'', 0
    for name, data, *how in [(*m, ) for m in members]:
        name = name.encode()
        method = 8 if how else 0
        stored = deflate(data) if how else data
        at = len(out) - base
        header, descriptor = local_header(style, name, data, stored, method)
        out += header + stored + descriptor
        if (name.decode(), data) in unreferenced: continue
        all64 = style == '2015'
        extra = struct.pack('<HHQQQI', 1, 28, len(data), len(stored), at, 0) if all64 else b''
        field = lambda value: 0xffffffff if all64 else value
        directory += struct.pack('<4sHHHHHHIIIHHHHHII', b'PK\1\2', 0, 45, 8, method, 0, 0x21, zlib.crc32(data), field(len(stored)),
                                 field(len(data)), len(name), len(extra), 0, 0, 0, 0, field(at)) + name + extra
        count += 1
    start = len(out)
    out += directory
    zip64 = style in ('pyaff4', 'c-aff4', '2015')
    if zip64:
        out += struct.pack('<4sQHHIIQQQQ', b'PK\6\6', 44, 45, 45, 0, 0, count, count, len(directory), start - base)
        out += struct.pack('<4sIQI', b'PK\6\7', 0, start - base + len(directory), 1)
    comment = urn.encode() + (b'\0' if style == 'evimetry' else b'')
    out += struct.pack('<4sHHHHIIH', b'PK\5\6', 0, 0, count, count, 0xffffffff if zip64 else len(directory),
                       0xffffffff if zip64 else start - base, len(comment)) + comment
    with open(os.path.join(folder, path), 'wb') as file: file.write(out)


# ---------------------------------------------------------------- content

def urn(): return 'aff4://%08x-0000-4000-8000-%012x' % (rng.getrandbits(32), rng.getrandbits(48))
def noise(size): return rng.getrandbits(8 * size).to_bytes(size, 'little') if size else b''
def prose(size): return (b'line %d of evidence. ' % rng.getrandbits(20) * (size // 20 + 1))[:size]
def mixed(chunks, size=CHUNK): return b''.join(noise(size) if k % 3 == 1 else prose(size) for k in range(chunks))


def bevies(data, encode, per_bevy, chunk=CHUNK, raw=True, shuffle=False):
    """Yields number, bevy, [(offset, length)]."""
    chunks = [data[at:at + chunk].ljust(chunk, b'\0') for at in range(0, len(data), chunk)]
    for number, first in enumerate(range(0, len(chunks), per_bevy)):
        stored = []
        for piece in chunks[first:first + per_bevy]:
            packed = encode(piece) if encode else piece
            stored.append(piece if raw and len(packed) >= chunk else packed)
        order = list(range(len(stored)))
        if shuffle: rng.shuffle(order)
        places, bevy = {}, b''
        for slot in order:
            places[slot] = (len(bevy), len(stored[slot]))
            bevy += stored[slot]
        yield number, bevy, [places[slot] for slot in range(len(stored))]


def entries12(places): return b''.join(struct.pack('<QI', *place) for place in places)
def starts(places): return b''.join(struct.pack('<I', at) for at, _ in places)
def ends(places): return b''.join(struct.pack('<I', at + length) for at, length in places)


def symbolic(name, at, length):
    if name == 'Zero': return bytes(length)
    if name.startswith('byte'): return bytes([int(name[4:], 16)]) * length
    text = {'UnknownData': b'UNKNOWN', 'UnreadableData': b'UNREADABLEDATA'}[name]
    return bytes(text[(t % (1 << 20)) % len(text)] for t in range(at, at + length))


def render(size, entries, gap, streams):
    """What a map of (offset, length, target offset, stream or symbolic name) reads as."""
    out = bytearray(symbolic(gap, 0, size))
    for offset, length, at, target in entries:
        piece = streams[target][at:at + length] if target in streams else symbolic(target, at, length)
        assert len(piece) == length
        out[offset:offset + length] = piece
    return bytes(out)


def whole(target, data): return {'urn': target, 'size': str(len(data)), 'reads': [[0, len(data), hashlib.sha256(data).hexdigest()]]}
def case(title, files, streams, generation='standard', **more):
    cases.append({'title': title, 'files': files, 'streams': streams, 'generation': generation, **more})
def escaped(name): return name.replace('aff4://', 'aff4%3A%2F%2F')
def version(minor, tool='test', major=1): return ('version.txt', b'major=%d\nminor=%d\ntool=%s\n' % (major, minor, tool.encode()))


# ---------------------------------------------------------------- the suite of 2015

def pmem2015():
    volume = urn()
    size = 11 * CHUNK
    data = mixed(11)
    # A compressed chunk of just the chunk size is no raw one there.
    tried = (noise(length).ljust(CHUNK, b'\0') for _ in range(20) for length in range(CHUNK - 200, CHUNK))
    special = next(chunk for chunk in tried if len(zlib.compress(chunk, 1)) == CHUNK)
    assert len(zlib.compress(special, 1)) == CHUNK
    data = special + data[CHUNK:]
    entries = [(0x1000, 5 * CHUNK, 0, 0), (0x20000, 6 * CHUNK, 5 * CHUNK, 0), (0x10000, 0x1000, 0x10000, 1)]
    members = [('PhysicalMemory/idx', ('%s/PhysicalMemory/data\n%sUnreadableData\n' % (volume, AFF4)).encode()),
               ('PhysicalMemory/map', b''.join(struct.pack('<QQQI', at, target, length, id) for at, length, target, id in entries)),
               ('PhysicalMemory/information.yaml', b'Imager: test\n', 'deflate')]
    for number, bevy, places in bevies(data, ENCODE[RFC1950], 4, raw=False):
        members += [('PhysicalMemory/data/%08d' % number, bevy), ('PhysicalMemory/data/%08d/index' % number, starts(places))]
    end = 0x20000 + 6 * CHUNK
    turtle = ('@base <%s> .\n' % volume + PREFIXES % AFF4 + '</PhysicalMemory> a aff4:map ; aff4:category <%smemory/physical> ; aff4:size %d ; aff4:stored <> .\n'
              '</PhysicalMemory/data> a aff4:image ; aff4:chunk_size %d ; aff4:chunks_per_segment 4 ; aff4:compression <%s> ; aff4:size %d ; aff4:stored <> .\n'
              % (AFF4, end, CHUNK, RFC1950, size))
    members.append(('information.turtle', turtle.encode(), 'deflate'))
    names = {0: 'data', 1: 'UnreadableData'}
    content = render(end, [(at, length, target, names[id]) for at, length, target, id in entries], 'Zero', {'data': data})
    write_zip('2015.aff4', volume, members, '2015')
    case('the suite of 2015', ['2015.aff4'], [whole(volume + '/PhysicalMemory', content), whole(volume + '/PhysicalMemory/data', data)], 'pmem2015')


# ---------------------------------------------------------------- Evimetry before the Standard

def evimetry():
    volume, stream, image = urn(), urn(), urn()
    data = mixed(7)
    names = ['data', 'Zero', 'byte61', 'byteff', 'UnknownData', 'UnreadableData']
    iris = [stream, LEGACY + 'Zero', 'http://afflib.org/2012/SymbolicStream#61', LEGACY + 'FF', LEGACY + 'UnknownData', LEGACY + 'UnreadableData']
    entries, at = [], 0
    for length, id, target in [(3 * CHUNK, 0, 0), (1000, 1, None), (512, 2, None), (2 << 20, 4, None), (4 * CHUNK, 0, 3 * CHUNK), (1 << 20, 5, None), (77, 3, None)]:
        entries.append((at, length, at if target is None else target, id))
        at += length
    members = [('container.description', volume.encode())]
    for number, bevy, places in bevies(data, ENCODE[SNAPPY], 3):
        members += [(escaped('%s/%08d' % (stream, number)), bevy), (escaped('%s/%08d/index' % (stream, number)), ends(places))]
    members += [(escaped(image + '/idx'), ''.join(iri + '\r\n' for iri in iris).encode()),
                (escaped(image + '/map'), b''.join(struct.pack('<QQQI', a, l, t, i) for a, l, t, i in entries))]
    turtle = (PREFIXES % LEGACY + '<%s> a aff4:QueryMap, aff4:map, aff4:Image ; aff4:contains <%s> ; aff4:size "%d"^^xsd:long ; aff4:make "Maker"^^xsd:string .\n'
              '<%s> a aff4:stream ; aff4:CompressionMethod <%s> ; aff4:chunk_size "%d"^^xsd:int ; aff4:chunks_in_segment "3"^^xsd:int ; aff4:size "%d"^^xsd:long ;'
              ' aff4:hash "%s"^^aff4:SHA1 .\n' % (image, stream, at, stream, SNAPPY, CHUNK, len(data), hashlib.sha1(data).hexdigest()))
    members.append(('information.turtle', turtle.encode(), 'deflate'))
    write_zip('pre.af4', volume, members, 'evimetry')
    content = render(at, [(a, l, t, names[i]) for a, l, t, i in entries], 'Zero', {'data': data})
    case('Evimetry before the Standard', ['pre.af4'], [whole(image, content), whole(stream, data)], 'evimetry')


# ---------------------------------------------------------------- the Standard

def standard(volume, stream, data, method, per_bevy=4, encode=None, name=escaped, **how):
    members = []
    for number, bevy, places in bevies(data, encode or ENCODE.get(method), per_bevy, **how):
        members += [(name('%s/%08d' % (stream, number)), bevy), (name('%s/%08d.index' % (stream, number)), entries12(places))]
    said = '' if method is None else 'aff4:compressionMethod <%s> ; ' % method
    turtle = '<%s> a aff4:ImageStream ; aff4:chunkSize "%d"^^xsd:int ; aff4:chunksInSegment %d ; %saff4:size "%d"^^xsd:long ; aff4:stored <%s> .\n' % (
        stream, how.get('chunk', CHUNK), per_bevy, said, len(data), volume)
    return members, turtle


def codecs():
    volume = urn()
    members, turtle, streams = [('container.description', volume.encode()), version(0)], PREFIXES % AFF4, []
    prefixed = lambda data: lz4.block.compress(data, store_size=True)
    for method, encode, how in [(m, e, {}) for m, e in ENCODE.items()] + [
            (LZ4, prefixed, {}), (AFF4 + 'NullCompressor', None, {}), (AFF4 + 'compression/stored', None, {}), (None, None, {}),
            (None, ENCODE[RFC1950], {}), ('https://github.com/google/snappy', snappy.compress, {'raw': False})]:
        stream, data = urn(), mixed(9)[:rng.choice([9 * CHUNK, 8 * CHUNK + 100])]
        more, said = standard(volume, stream, data, method, encode=encode, **how)
        members += more
        turtle += said
        streams.append(whole(stream, data))
    members.append(('information.turtle', turtle.encode()))
    write_zip('codecs.aff4', volume, members, 'evimetry')
    case('every compression method', ['codecs.aff4'], streams)


def map_members(target, entries, targets, name=escaped):
    return [(name(target + '/map'), b''.join(struct.pack('<QQQI', *entry) for entry in entries)), (name(target + '/idx'), ''.join(t + '\n' for t in targets).encode())]


def interim():
    volume, image, target, stream = urn(), urn(), urn(), urn()
    data = mixed(4, 512)
    members, turtle = standard(volume, stream, data, SNAPPY, chunk=512)
    entries = [(0, 1024, 0, 0), (8192, 1024, 1024, 0)]
    members = [('container.description', volume.encode()), version(0, 'Evimetry 2.2.0')] + members + map_members(target, entries, [stream])
    turtle = (PREFIXES % AFF4 + turtle + '<%s> a aff4:MemoryImage, aff4:Image ; aff4:dataStream <%s> .\n<%s> a aff4:Map ; aff4:size "262144"^^xsd:long ; '
              'aff4:blockHashesHash "00"^^aff4:SHA256 ; aff4:dependentStream <%s> .\n' % (image, target, target, stream))
    write_zip('interim.001', volume, members + [('information.turtle', turtle.encode())], 'evimetry')
    content = render(262144, [(0, 1024, 0, 'd'), (8192, 1024, 1024, 'd')], 'Zero', {'d': data})
    case('a memory of 2016 whose map ends before its size', ['interim.001'], [whole(image, content)])


def c_aff4():
    volume = urn()
    target, stream = volume + '/PhysicalMemory', volume + '/PhysicalMemory/data'
    tail = lambda name: name[len(volume) + 1:].replace(':', '%3A')
    data = mixed(8)
    members, turtle = standard(volume, stream, data, RFC1950, name=tail, shuffle=True)
    # What it adds behind a stream that ends with its bevy.
    members += [(tail(stream + '/00000002'), b'\0'), (tail(stream + '/00000002.index'), struct.pack('<QI', 0, 1))]
    entries = [(0x8000, 4 * CHUNK, 4 * CHUNK, 0), (0x1000, 4 * CHUNK, 0, 0), (0x6000, 0x1000, 0x200, 1), (0xc000, 0, 0, 0)]
    members += map_members(target, entries, [stream, AFF4 + 'UnreadableData', stream], tail)
    file = volume + '/C:/Windows/notepad.exe'
    notepad = prose(7000)
    first = ('container.description', b'unreferenced')
    members = [first, ('container.description', volume.encode()), version(0, 'libaff4')] + members + [(tail(file), notepad, 'deflate')]
    turtle = (PREFIXES % AFF4 + turtle + '<%s> a aff4:Image, aff4:Map ; aff4:category <%smemory/physical> ; aff4:size 49152 .\n'
              '<%s> a aff4:Image ; aff4:original_filename "C:\\\\Windows\\\\notepad.exe"^^xsd:string .\n' % (target, AFF4, file))
    members.append(('information.turtle', turtle.encode(), 'deflate'))
    write_zip('c-aff4.aff4', volume, members, 'c-aff4', unreferenced=[first])
    content = render(49152, [(0x8000, 4 * CHUNK, 4 * CHUNK, 'd'), (0x1000, 4 * CHUNK, 0, 'd'), (0x6000, 0x1000, 0x200, 'UnreadableData')], 'Zero', {'d': data})
    streams = [whole(target, content), whole(stream, data), whole(file, notepad)]
    case('c-aff4: an image that is a map, chunks out of order, an empty bevy', ['c-aff4.aff4'], streams, names={file: 'C:\\Windows\\notepad.exe'})
    # The same as a folder, its member names escaped whole.
    os.makedirs(os.path.join(folder, 'volume'))
    for name, content_, *_ in members[1:]:
        with open(os.path.join(folder, 'volume', name.replace('/', '%2F')), 'wb') as out: out.write(content_)
    odd = '<%s> a aff4:file ; <%sdirectory/filename> "odd name" .\n' % (target + '/idx', AFF4)
    os.rename(os.path.join(folder, 'volume/PhysicalMemory%2Fidx'), os.path.join(folder, 'volume/odd name'))
    with open(os.path.join(folder, 'volume/information.turtle'), 'ab') as out: out.write(odd.encode())
    os.symlink('/etc', os.path.join(folder, 'volume/link'))
    case('a volume that is a folder', ['volume'], streams)


def logical():
    volume = urn()
    raw = lambda name: (name[len(volume) + 1:] if name.startswith(volume + '/') else name).replace('%20', ' ')
    # With each append that notation is noted down once more.
    grown = repr(repr("it's \u30cd.bin".encode()).encode()).encode()
    quoted = repr(grown).replace('\\', '\\\\').replace('"', '\\"')
    files = {volume + '//src/a%20file.txt': ("b'src/a file.txt'", prose(900)), volume + '//src/grown': (quoted, prose(70)), volume + '//src/\u30cd\u30b3.txt': ("b'/src/\\\\xe3\\\\x83\\\\x8d\\\\xe3\\\\x82\\\\xb3.txt'", prose(3000)),
             volume + '/host/share/f': ('\\\\\\\\host\\\\share\\\\f', b'')}
    members, turtle = [], PREFIXES % AFF4
    for target, (name, content) in files.items():
        members.append((raw(target), content, 'deflate'))
        turtle += '<%s> a aff4:FileImage, aff4:Image, aff4:zip_segment ; aff4:originalFileName "%s"^^xsd:string ; aff4:size %d .\n' % (target, name, len(content))
    big, data = volume + '//src/big.bin', mixed(9)[:-700]
    more, said = standard(volume, big, data, SNAPPY, name=raw)
    members += more
    turtle += said.replace('aff4:ImageStream', 'aff4:FileImage, aff4:Image, aff4:ImageStream')
    # A file of chunks that others share: a stream of them, and names by their digests.
    store, kept = urn(), mixed(5)
    more, said = standard(volume, store, kept, SNAPPY, name=raw)
    members += more
    turtle += said
    shared = volume + '//src/shared'
    lines, entries, content = [], [], b''
    for k, (start, length) in enumerate([(2 * CHUNK, CHUNK), (0, CHUNK), (4 * CHUNK, CHUNK), (CHUNK, 6)]):
        chunk = 'aff4:sha512:' + base64.urlsafe_b64encode(hashlib.sha512(kept[start:start + length]).digest()).decode()
        turtle += '<%s> aff4:dataStream <%s[0x%x:0x%x]> .\n' % (chunk, store, start, length)
        lines.append(chunk)
        entries.append((len(content), length, 0, k))
        content += kept[start:start + length]
    members += map_members(shared, entries, lines, raw)
    turtle += '<%s> a aff4:FileImage, aff4:Image, aff4:Map ; aff4:originalFileName "shared" ; aff4:size %d .\n' % (shared, len(content))
    streams = [whole(target, content_) for target, (_, content_) in files.items()] + [whole(big, data), whole(shared, content)]
    members = [('container.description', volume.encode()), version(1, 'pyaff4')] + members + [('information.turtle', turtle.encode())]
    write_zip('logical.aff4', volume, members, 'pyaff4')
    names = dict(zip(files, ['src/a file.txt', "it's \u30cd.bin", '/src/\u30cd\u30b3.txt', '\\\\host\\share\\f']))
    case('AFF4-L 1.1 by pyaff4, with shared chunks', ['logical.aff4'], streams, names=names, top=[s['urn'] for s in streams])


def draft():
    volume, small, large, inline = urn(), urn(), urn(), urn()
    data, text, tiny = mixed(3), prose(600), b'tiny content'
    more, said = standard(volume, large, data, SNAPPY, name=lambda name: name)
    turtle = (PREFIXES % AFF4 + '@prefix aff4l: <https://aff4.org/Schema/2022/#> .\n' + said.replace('aff4:ImageStream', 'aff4:FileImage, aff4:Image, aff4:ImageStream ; aff4:originalPathName "/large"')
              + '<%s> a aff4:FileImage, aff4:Image, aff4:ZipSegment ; aff4:originalPathName "/dir/small" ; aff4:fileName "small" .\n' % small
              + '<%s> a aff4:FileImage, aff4:Image ; aff4:fileName "caf%%E9" ; aff4:fileNameRaw "%s"^^xsd:base64Binary ; aff4l:dataStream "%s"^^xsd:base64Binary .\n'
              % (inline, base64.b64encode(b'caf\xe9').decode(), base64.b64encode(tiny).decode()))
    members = [('container.description', volume.encode()), version(1, 'test', 2)] + more + [(small, text, 'deflate'), ('information.turtle', turtle.encode(), 'deflate')]
    write_zip('draft.aff4', volume, members, 'plain')
    case('AFF4-L 2.1, a draft', ['draft.aff4'], [whole(large, data), whole(small, text), whole(inline, tiny)], names={small: '/dir/small', large: '/large', inline: 'caf%E9'})


def axiom():
    volume = urn()
    target, path, data = volume + '/Partition%203/a%20b', 'Partition 3\\a b\u00e9.txt', mixed(6)
    quoted = urllib.parse.quote(path.encode(), safe='/\\')
    name = lambda member: quoted + '\\' + member.rsplit('/', 1)[1]
    members, turtle = standard(volume, target, data, SNAPPY, name=name)
    turtle = PREFIXES % AFF4 + turtle + '<%s> a aff4:FileImage, aff4:Image ; aff4:originalFileName "%s" .\n' % (target, path.replace('\\', '\\\\'))
    write_zip('axiom.aff4', volume, [('container.description', volume.encode()), version(1, 'AXIOMProcess 6.0')] + members + [('information.turtle', turtle.encode())], 'plain')
    case('AXIOM', ['axiom.aff4'], [whole(target, data)])


def striped():
    image, a, b, streams = urn(), urn(), urn(), [urn(), urn()]
    data = [mixed(16), mixed(16)]
    entries = [(k * CHUNK, CHUNK, (k // 2) * CHUNK, k % 2) for k in range(32)] + [(32 * CHUNK, CHUNK, 32 * CHUNK, 2)]
    names = [*streams, AFF4 + 'Zero']
    content = render(33 * CHUNK, [(o, l, t, names[i]) for o, l, t, i in entries[:-1]], 'Zero', dict(zip(streams, data)))
    for own, (volume, other) in enumerate([(a, b), (b, a)]):
        target = urn()
        members, turtle = standard(volume, streams[own], data[own], SNAPPY, per_bevy=5)
        hashes = hashlib.md5(data[1 - own][:CHUNK]).digest()
        members += [(escaped(streams[1 - own] + '/00000000.blockHash.md5'), hashes)]
        turtle = (PREFIXES % AFF4 + turtle + '<%s> a aff4:ImageStream ; aff4:stored <%s> ; aff4:target <%s> .\n' % (streams[1 - own], other, target)
                  + '<%s> a aff4:DiskImage, aff4:ContiguousImage, aff4:Image ; aff4:dataStream <%s> ; aff4:size %d .\n' % (image, target, len(content))
                  + '<%s> a aff4:Map ; aff4:size %d ; aff4:dependentStream <%s>, <%s> ; aff4:mapGapDefaultStream aff4:Zero ; aff4:target <%s> .\n' % (target, len(content), *streams, image))
        members = [('container.description', volume.encode()), version(0, 'Evimetry 2.2.0')] + members + map_members(target, entries, names)
        write_zip('stripe_%d.aff4' % (own + 1), volume, members + [('information.turtle', turtle.encode())], 'evimetry')
    case('a striped pair', ['stripe_1.aff4', 'stripe_2.aff4'], [whole(image, content)], top=[image])
    case('a striped pair the other way round', ['stripe_2.aff4', 'stripe_1.aff4'], [whole(image, content)], top=[image])
    for given, missing, lost in [(1, b, 1), (2, a, 0)]:
        case('half of a striped pair', ['stripe_%d.aff4' % given], [{'urn': image, 'error': '%s is in volume %s, which is not given' % (streams[lost], missing)}])


def segmented():
    """c-aff4 --split: one stream, its bevies in several volumes."""
    parts, stream, data = [urn(), urn()], urn(), mixed(10)
    members, turtle = standard(parts[0], stream, data, RFC1950, per_bevy=2)
    for k, volume in enumerate(parts):
        own = members[4 * k:4 * k + 4] if k == 0 else members[4:]
        # Only the last one says what the stream is like.
        said = turtle if k == 1 else '<%s> a aff4:ImageStream ; aff4:size 0 ; aff4:stored <%s> .\n' % (stream, parts[0])
        write_zip(['split.aff4', 'split.aff4.A01'][k], volume, [('container.description', volume.encode()), version(0)] + own + [('information.turtle', (PREFIXES % AFF4 + said).encode())], 'c-aff4')
    for files in (['split.aff4.A01', 'split.aff4'], ['split.aff4', 'split.aff4.A01']):
        stored = sum(len(bevy) for name, bevy in members if not name.endswith('.index'))
        case('a stream whose bevies are in several volumes', files, [whole(stream, data)],
             shown={stream: {'name': stream, 'stored': str(stored), 'compression': 'zlib'}})
    case('the first of several volumes', ['split.aff4'], [{'urn': stream, 'error': 'it goes on in a volume that is not given'}])
    case('the last of several volumes', ['split.aff4.A01'], [{'urn': stream, 'error': 'is in volume %s, which is not given' % parts[0]}])


def c_aff4_streams():
    """What the suite makes of a file by each method: by deflate it means zlib, and the last chunk is not padded."""
    volume, turtle, streams, shown = urn(), '', [], {}
    bound = lambda data: zlib.compress(data, 9).ljust(len(data) + 13, b'\0')
    members = [('container.description', volume.encode()), version(0, 'libaff4')]
    checksum = next(text for text in (b'%d' % k for k in range(100000)) if zlib.compress(text, 9).endswith(b'\0'))
    for number, (method, encode, rest) in enumerate([
            ('https://tools.ietf.org/html/rfc1951', bound, prose(700)), ('https://tools.ietf.org/html/rfc1951', bound, noise(CHUNK - 3)),
            ('https://tools.ietf.org/html/rfc1951', bound, checksum), (LZ4, ENCODE[LZ4], noise(CHUNK - 3)), (SNAPPY, ENCODE[SNAPPY], noise(CHUNK - 3))]):
        stream, data = '%s/%%E3%%83%%8D%d' % (volume, number), mixed(5) + rest
        said = standard(volume, stream, data, method)[1]
        chunks = [data[at:at + CHUNK] for at in range(0, len(data), CHUNK)]
        bevy, places, length = [], b'', 0
        for k, chunk in enumerate(chunks):
            packed = encode(chunk)
            bevy.append(packed if len(packed) < CHUNK - 16 else chunk)
            places += struct.pack('<QI', length, len(bevy[-1]))
            length += len(bevy[-1])
            if k % 4 == 3 or k == len(chunks) - 1:
                name = '%%25E3%%2583%%258D%d/%08d' % (number, k // 4)
                members += [(name, b''.join(bevy)), (name + '.index', places)]
                shown[stream] = {'stored': shown.get(stream, {'stored': 0})['stored'] + length}
                bevy, places, length = [], b'', 0
        shown[stream] = {'name': '\u30cd%d' % number, 'stored': str(shown[stream]['stored']), 'compression': 'deflate' if encode is bound else 'lz4' if method == LZ4 else 'snappy'}
        turtle += said
        streams.append(whole(stream, data))
    write_zip('c-aff4-streams.aff4', volume, members + [('information.turtle', (PREFIXES % AFF4 + turtle).encode())], 'c-aff4')
    case('c-aff4: chunks of its own deflate, last ones that are not padded', ['c-aff4-streams.aff4'], streams, shown=shown)


def pyaff4_names():
    """pyaff4 takes what follows # or ? for no part of the path, but for that of a member which is the file."""
    volume, turtle = urn(), PREFIXES % AFF4
    raw = lambda name: name[len(volume) + 1:]
    files = {'big#1': mixed(5), 'small#1': prose(90), 'twin#1': mixed(3), 'twin?2': mixed(3)}
    members = [('container.description', volume.encode()), version(1, 'pyaff4')]
    for file, data in files.items():
        target = '%s//src/%s' % (volume, file)
        if file == 'small#1':
            members.append((raw(target), data))
            turtle += '<%s> a aff4:FileImage, aff4:Image, aff4:ZipSegment ; aff4:originalFileName "%s" .\n' % (target, file)
            continue
        name = lambda member: re.sub('[#?].*/', '/', raw(member))
        more, said = standard(volume, target, data, SNAPPY, name=name)
        members += more
        turtle += said.replace('aff4:ImageStream', 'aff4:FileImage, aff4:Image, aff4:ImageStream ; aff4:originalFileName "%s"' % file)
    of = lambda file: '%s//src/%s' % (volume, file)
    write_zip('pyaff4-names.aff4', volume, members + [('information.turtle', turtle.encode())], 'pyaff4')
    case('files with # and ? in their paths', ['pyaff4-names.aff4'], [whole(of('big#1'), files['big#1']), whole(of('small#1'), files['small#1'])])
    case('files whose paths are the same up to # and ?', ['pyaff4-names.aff4'], [{**whole(of('twin#1'), b''), 'read_error': 'is not in the volume'}])


def exabyte():
    volume, image, target, stream = urn(), urn(), urn(), urn()
    size, chunk = (1 << 63) - 512, 131072
    data = mixed(3, chunk)
    members, turtle = standard(volume, stream, data, SNAPPY, chunk=chunk)
    entries = [((1 << 62) - 256, chunk, chunk, 0), (size - 2 * chunk, 2 * chunk, 0, 0), (0, chunk, 2 * chunk, 0), (1 << 40, 1 << 45, 1 << 40, 1)]
    members = [('container.description', volume.encode()), version(0)] + members + map_members(target, entries, [stream, AFF4 + 'UnreadableData'])
    turtle = (PREFIXES % AFF4 + turtle + '<%s> a aff4:DiskImage, aff4:Image ; aff4:dataStream <%s> ; aff4:size "%d"^^xsd:long .\n<%s> a aff4:Map ; aff4:size "%d"^^xsd:long ; '
              'aff4:mapGapDefaultStream aff4:UnknownData .\n' % (image, target, size, target, size))
    write_zip('exabyte.aff4', volume, members + [('information.turtle', turtle.encode())], 'evimetry')
    unknown = lambda at, length: symbolic('UnknownData', at, length)
    reads = [(0, data[2 * chunk:] + unknown(chunk, 999)), ((1 << 62) - 1000, unknown((1 << 62) - 1000, 744) + data[chunk:2 * chunk] + unknown((1 << 62) - 256 + chunk, 100)),
             (size - 2 * chunk, data[:2 * chunk]), ((1 << 41) + (1 << 20) - 7, symbolic('UnreadableData', (1 << 41) + (1 << 20) - 7, 5000))]
    case('a map of 2^63 - 512 bytes', ['exabyte.aff4'], [{'urn': image, 'size': str(size), 'reads': [[str(at), len(d), hashlib.sha256(d).hexdigest()] for at, d in reads]}])


def prefixed():
    for style in ('plain', 'evimetry', 'pyaff4', 'c-aff4', '2015'):
        for absolute in (False, True):
            volume, stream, data = urn(), urn(), mixed(5)
            members, turtle = standard(volume, stream, data, SNAPPY)
            members = [('container.description', volume.encode()), version(0)] + members + [('information.turtle', (PREFIXES % AFF4 + turtle).encode())]
            name = 'prefixed-%s-%s' % (style, absolute)
            write_zip(name, volume, members, style, b'\x7fELF' + noise(5000), absolute)
            case('behind 5 KB, headers of %s, offsets %s' % (style, 'absolute' if absolute else 'relative'), [name], [whole(stream, data)])


for write in (pmem2015, evimetry, codecs, interim, c_aff4, logical, draft, axiom, striped, segmented, c_aff4_streams, pyaff4_names, exabyte, prefixed): write()
print(json.dumps(cases))
