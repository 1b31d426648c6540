"""
Writes an image as the EWF 2 specification has it (J. Metz): STEM.Ex01, STEM.Ex02 ...

    make-ex01.py MEDIA STEM OPTIONS

OPTIONS is JSON: chunksPerTable, tablesPerSegment, forms (one letter a chunk, repeated: z deflated, s stored with its
Adler-32, n stored without, p pattern fill where the chunk repeats eight bytes), device and case (values by their tags),
errors ([first sector, sectors]), digests (false for none), compression, flags (of each section), setId (hexadecimal).
"""
import hashlib
import json
import math
import struct
import sys
import zlib

SECTOR = 512
CHUNK = 64 * SECTOR
DEVICE, CASE, SECTORS, TABLE, ERRORS, MD5, SHA1, NEXT, DONE = 1, 2, 3, 4, 5, 8, 9, 13, 15
COMPRESSED, CHECKSUMED, PATTERNFILL = 1, 2, 4
MD5HASHED = 1

media_name, stem, written = sys.argv[1:]
options = json.loads(written)
media = open(media_name, 'rb').read()
forms = options.get('forms', 'z')


def adler(data):
    return struct.pack('<I', zlib.adler32(data))


def align(data):
    return data + bytes(-len(data) % 16)


class Segment:
    def __init__(self, number):
        compression = options.get('compression', 1)
        self.data = b'EVF2\r\n\x81\x00' + struct.pack('<BBHI', 2, 1, compression, number)
        self.data += bytes.fromhex(options.get('setId', '00112233445566778899aabbccddeeff'))
        self.previous = 0

    def section(self, type_, data, padding=None):
        stored = align(data)
        flags = MD5HASHED | options.get('flags', 0)
        descriptor = struct.pack('<IIQQII', type_, flags, self.previous, len(stored), 64,
                                 len(stored) - len(data) if padding is None else padding)
        descriptor += hashlib.md5(stored).digest() + bytes(12)
        self.data += stored
        self.previous = len(self.data)
        self.data += descriptor + adler(descriptor)

    def array(self, type_, header, entries):
        body = b''.join(entries)
        self.section(type_, header + adler(header) + bytes(12) + body + adler(body))


def text(values):
    lines = ['1', 'main', '\t'.join(values), '\t'.join(values.values()), '', '']
    return zlib.compress(('\ufeff' + '\n'.join(lines)).encode('utf-16-le'))


def stored_chunk(chunk, form, at):
    """Its bytes, and its entry."""
    if form == 'p' and chunk == chunk[:8] * (len(chunk) // 8):
        return b'', chunk[:8] + struct.pack('<II', 0, COMPRESSED | PATTERNFILL)
    if form in 'zp':
        data, flags = zlib.compress(chunk, 1), COMPRESSED
    else:
        data, flags = (chunk + adler(chunk), CHECKSUMED) if form == 's' else (chunk, 0)
    return align(data), struct.pack('<QII', at, len(data), flags)


chunks = [media[at:at + CHUNK] for at in range(0, len(media), CHUNK)]
device = {'sn': 'S/N 1', 'md': 'model', 'lb': 'label', 'ts': str(len(media) // SECTOR), 'hs': '', 'dc': '',
          'dt': 'f', 'pid': '', 'rs': '', 'ls': '', 'bp': str(SECTOR), 'ph': '1'} | options.get('device', {})
case = {'nm': 'a disk', 'cn': 'case 7', 'en': '7/1', 'ex': 'Jane Roe', 'nt': 'as\x01found', 'av': '7.04', 'os': 'Windows',
        'tt': '1700000000', 'at': '1700000000', 'tb': str(len(chunks)), 'cp': '1', 'sb': str(CHUNK // SECTOR),
        'gr': '64', 'wb': ''} | options.get('case', {})
per_table = options.get('chunksPerTable', 1600)
per_segment = options.get('tablesPerSegment', 1)
tables = math.ceil(len(chunks) / per_table)
last = max(1, math.ceil(tables / per_segment))

for number in range(1, last + 1):
    segment = Segment(number)
    segment.section(DEVICE, text(device))
    segment.section(CASE, text(case))
    for table in range((number - 1) * per_segment, min(tables, number * per_segment)):
        first = table * per_table
        sectors, entries = b'', []
        for index in range(first, min(len(chunks), first + per_table)):
            stored, entry = stored_chunk(chunks[index], forms[index % len(forms)], len(segment.data) + len(sectors))
            sectors += stored
            entries.append(entry)
        segment.section(SECTORS, sectors)
        segment.array(TABLE, struct.pack('<QII', first, len(entries), 0), entries)
    if number == last:
        if 'errors' in options:
            segment.array(ERRORS, struct.pack('<IIII', len(options['errors']), 0, 0, 0),
                          [struct.pack('<QII', *error, 0) for error in options['errors']])
        if options.get('digests', True):
            md5, sha1 = hashlib.md5(media).digest(), hashlib.sha1(media).digest()
            segment.section(MD5, md5 + adler(md5))
            segment.section(SHA1, sha1 + adler(sha1))
    segment.section(DONE if number == last else NEXT, b'')
    with open(f'{stem}.Ex{number:02}', 'wb') as file:
        file.write(segment.data)
