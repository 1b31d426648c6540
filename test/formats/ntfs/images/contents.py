"""What the volumes hold: a function per feature, each with a volume that is mounted unless it says otherwise."""
import os, random, struct
from volume import digest, run

def noise(seed, size): return random.Random(seed).randbytes(size)

def prose(seed, size):
    words = 'the quick brown fox jumps over a lazy dog while cluster runs wander across the volume'.split()
    choose = random.Random(seed)
    return ' '.join(choose.choices(words, k=size // 3 + 1)).encode().ljust(size)[:size]

def sizes(volume):
    cluster = volume.cluster
    for size in [0, 1, 8, 100, 400, 600, 680, 700, 720, 760, cluster - 1, cluster, cluster + 1, 3 * cluster, 65537, 300_000]:
        volume.write(f'size-{size}', noise(size, size))
    volume.write('grown', noise('grown', 50))
    with open(volume.path('grown'), 'ab') as file: file.write(noise('growth', 20_000))

def streams(volume):
    volume.mkdir('streams/folder')
    volume.write('streams/host', b'unnamed')
    for name, data in [('Zone.Identifier', b'[ZoneTransfer]\r\nZoneId=3\r\n'), ('big', noise('big', 100_000)), ('空', b'named in Chinese'), ('empty', b'')]:
        volume.write('streams/host', data, name)
    volume.write('streams/folder', b'of a directory', 'small')
    volume.write('streams/folder', noise('of a directory', 30_000), 'large')
    volume.write('streams/only named', b'')
    for number in range(60): volume.write('streams/only named', b'stream %d' % number, f's{number:02}')

def tree(volume):
    """Names so long that an index block holds six or seven: four levels of them."""
    volume.mkdir('tree')
    for number in range(500): volume.write(f'tree/{digest(b"%d" % number)}'.ljust(250, '-') + f'{number:03}', b'%d' % number)

SCRIPTS = [(0x41, 0x7a), (0xc0, 0x24f), (0x370, 0x3ff), (0x400, 0x52f), (0x531, 0x58f), (0x591, 0x5f4), (0x600, 0x6ff), (0x900, 0x97f), (0xe01, 0xe5b),
           (0x10a0, 0x10ff), (0x13a0, 0x13f5), (0x1e00, 0x1fff), (0x2100, 0x218f), (0x2c00, 0x2dff), (0x3041, 0x30ff), (0x4e00, 0x9fff), (0xa640, 0xa7ff),
           (0xac00, 0xd7a3), (0xd800, 0xdfff), (0xe000, 0xf8ff), (0xfb00, 0xfdcf), (0xff01, 0xffee), (0x10400, 0x1044f), (0x1d400, 0x1d7ff), (0x1f300, 0x1faff)]

def names(volume):
    """5,000 in all scripts; those of surrogates alone are no text."""
    volume.mkdir('names')
    choose, made = random.Random('names'), set()
    while len(made) < 5000:
        low, high = SCRIPTS[len(made) % len(SCRIPTS)]
        name = ''.join(chr(choose.randint(low, high)) for _ in range(choose.randint(1, 40)))
        if name in made or '/' in name or '\\' in name: continue
        made.add(name)
        volume.write('names/' + name, b'name %d' % len(made))

def odd_names(volume):
    volume.mkdir('odd')
    for name in ['x' * 255, '名' * 84, '.leading', 'trailing.', 'trailing ', ' leading', 'two  spaces', 'control-\x01\x1f', 'tab\t', 'new\nline', 'aux', 'CON.txt', 'a', "quote's",
                 'back\\slash', 'pipe|', '100%&#$@!', 'e\u0301', 'é', 'ß', 'ſ', 'ı', 'İ', 'ǆ', 'Ǆ', 'ǅ', '\u202egnp.exe', '\ufeffbom', '$Orphan', '-dash', '*', '?', '"', '<>', '😀',
                 'lone-\ud800-high', 'lone-\udfff-low', '\udc00\ud800', 'ends high \ud83d', '\ude00 begins low']:
        volume.write('odd/' + name, ('name ' + name).encode('utf-8', 'surrogatepass'))
    volume.mkdir('case')
    for name in ['Readme', 'README', 'readme', 'ReadMe', 'readme.txt', 'README.TXT']: volume.write('case/' + name, name.encode())

def colons(volume):
    """Mounted without streams: then a colon is a character like any other."""
    volume.mkdir('colons')
    for name in ['host', 'host:stream', ':', 'c:', 'a:b:c', 'ends:$DATA']: volume.write('colons/' + name, b'name ' + name.encode())

def colon_twin(volume): volume.write('colons/host', b'a stream', 'stream')

def sparse(volume):
    volume.mkdir('sparse')
    for name, size, pieces in [('head and tail', 3_000_000, [(0, 5000), (2_990_000, 10_000)]), ('holes', 2_000_000, [(at, 9000) for at in range(131_072, 2_000_000, 262_144)]),
                               ('hole', 3_000_000, []), ('terabyte', 1 << 40, [((1 << 40) - 4096, 4096)])]:
        with open(volume.path('sparse/' + name), 'wb') as file:
            file.truncate(size)
            for at, length in pieces:
                file.seek(at)
                file.write(noise(at, length))

def compressed(volume):
    volume.mkdir('lznt1')
    volume.set('lznt1', 'attrib_be', struct.pack('>I', 0x810))
    unit = 16 * volume.cluster
    for name, data in [('prose', prose(1, 300_000)), ('noise', noise(2, 150_000)), ('zeros', bytes(400_000)), ('small', prose(3, 300)), ('a unit', prose(4, unit)), ('a unit and a byte', prose(5, unit + 1)),
                       ('mixed', prose(6, unit) + bytes(unit) + noise(7, unit) + prose(8, 70_001)), ('zeros last', prose(9, 100_000) + bytes(300_000)),
                       ('runs', b''.join(bytes([n % 251]) * (n % 700 + 1) for n in range(600)))]:
        volume.write('lznt1/' + name, data)
    with open(volume.path('lznt1/hole'), 'wb') as file:
        file.write(prose(10, 70_000))
        file.seek(900_000)
        file.write(prose(11, 80_000))

def stale(volume):
    """Leaves bytes in free clusters that nobody may take for a file's."""
    volume.mkdir('valid')
    volume.write('valid/junk', b'STALE CLUSTERS MUST NOT SHOW UP!' * 20_000)
    volume.write('valid/tail', noise('tail', 10_000))
    os.sync()
    os.unlink(volume.path('valid/junk'))

def tails(volume):
    """Not mounted: clusters beyond the valid data length, which hold what `stale` left."""
    run('ntfsfallocate', '-f', '-l', '262144', volume.image, 'valid/tail')

def links(volume):
    volume.mkdir('links/below')
    volume.write('links/original', noise('original', 3000))
    for name in ['links/second', 'links/below/third']: os.link(volume.path('links/original'), volume.path(name))
    volume.write('links/many', b'many links')
    for number in range(90): os.link(volume.path('links/many'), volume.path(f'links/below/a link whose name is fairly long {number:03}'))

def link_value(tag, target, printed, flags=b''):
    target, printed = target.encode('utf-16le') + b'\0\0', printed.encode('utf-16le') + b'\0\0'
    body = struct.pack('<4H', 0, len(target) - 2, len(target), len(printed) - 2) + flags + target + printed
    return struct.pack('<IHH', tag, len(body), 0) + body

def reparse(volume):
    volume.mkdir('reparse/folder')
    volume.write('reparse/file', b'led to')
    relative, absolute = struct.pack('<I', 1), struct.pack('<I', 0)
    for name, directory, value in [('relative', False, link_value(0xA000000C, 'file', 'file', relative)), ('absolute', False, link_value(0xA000000C, '\\??\\C:\\reparse\\file', 'C:\\reparse\\file', absolute)),
                                   ('to folder', True, link_value(0xA000000C, 'folder', 'folder', relative)), ('junction', True, link_value(0xA0000003, '\\??\\C:\\reparse\\folder', 'C:\\reparse\\folder')),
                                   ('wsl', False, struct.pack('<IHHI', 0xA000001D, 8, 0, 2) + b'file'), ('third party', False, struct.pack('<IHH', 0x123, 4, 0) + bytes(range(16)) + b'data')]:
        volume.mkdir('reparse/' + name) if directory else volume.write('reparse/' + name, b'')
        volume.set('reparse/' + name, 'reparse_data', value)
    os.symlink('file', volume.path('reparse/interix'))

def extended_attribute(name, value):
    body = struct.pack('<BBH', 0, len(name), len(value)) + name + b'\0' + value
    return struct.pack('<I', (len(body) + 7) & ~3) + body + b'\0' * (-len(body) % 4)

def metadata(volume):
    volume.mkdir('metadata')
    for name in ['A long name beside a short one.document', 'times', 'attributes', 'object id', 'extended attributes', 'descriptor']: volume.write('metadata/' + name, name.encode())
    volume.set('metadata/A long name beside a short one.document', 'dos_name', b'ALONGN~1.DOC')
    volume.set('metadata/attributes', 'attrib_be', struct.pack('>I', 0x2027))
    volume.set('metadata/object id', 'object_id', noise('object id', 64))
    volume.set('metadata/extended attributes', 'ea', extended_attribute(b'PMEM.EA', b'0123456789') + extended_attribute(b'$LXUID', struct.pack('<I', 1000)))
    group = struct.pack('<BB6sII', 1, 2, b'\0\0\0\0\0\5', 32, 544)
    entry = struct.pack('<BBHI', 0, 0, 8 + len(group), 0x1F01FF) + group
    acl = struct.pack('<BBHHH', 2, 0, 8 + len(entry), 1, 0) + entry
    volume.set('metadata/descriptor', 'acl', struct.pack('<BBHIIII', 1, 0, 0x8004, 20, 20 + len(group), 0, 20 + 2 * len(group)) + group + group + acl)
    volume.set('metadata/times', 'times_be', struct.pack('>4Q', 133000000001234567, 133000000012345678, 133000000023456789, 133000000034567890))

def deep(volume):
    path = 'deep/' + '/'.join(f'level {number}' for number in range(60))
    volume.mkdir(path)
    volume.write(path + '/bottom', b'below sixty levels')

def to_delete(volume):
    volume.mkdir('deleted/one/two')
    for name, data in [('resident', b'deleted and resident'), ('large', noise('large', 50_000)), ('one/inside', noise('inside', 9000)), ('one/two/orphan', noise('orphan', 300)), ('with stream', b'x'), ('kept', b'kept')]:
        volume.write('deleted/' + name, data)
    volume.write('deleted/with stream', noise('hidden', 7000), 'hidden')
    for number in range(120): volume.write(f'deleted/slack {number:03}', b'slack %d' % number)

def delete(volume):
    """The last change of a volume: nothing may be written over what it leaves."""
    for name in ['resident', 'large', 'one/inside', 'one/two/orphan', 'with stream', *(f'slack {n:03}' for n in range(120)), 'one/two', 'one']: volume.delete('deleted/' + name)

def crowd(volume):
    """Leaves no cluster free but every second of some; what is written then lies scattered, $MFT too."""
    volume.mkdir('crowd')
    for number in range(1400): volume.write(f'crowd/taken {number:04}', b'T' * max(volume.cluster, 1024))
    with open(volume.path('crowd/rest'), 'wb', 0) as file:
        for size in [1 << 20, volume.cluster]:
            try:
                while file.write(b'R' * size) == size: pass
            except OSError: pass
    # ntfs-3g lays them into two stripes by turns.
    for number in range(1400):
        if number % 4 < 2: os.unlink(volume.path(f'crowd/taken {number:04}'))
    os.sync()
    for name, clusters in [('hundreds of extents', 330), ('31 extents', 31)]:
        with open(volume.path(name), 'wb', 0) as file:
            for number in range(clusters): file.write(noise(f'{name} {number}', volume.cluster))
    for number in range(1400): volume.write(f'crowd/{number}', b'crowd %d' % number)
