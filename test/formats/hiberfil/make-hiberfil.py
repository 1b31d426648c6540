"""
Writes hibernation files as Windows 8 to 11 does, and what they hold: PREFIX.hib, PREFIX.json.

XPRESS with Huffman comes from wimlib; the plain form is written here after [MS-XCA] 2.4, and libfwnt must read it.
"""
import base64
import ctypes
import json
import random
import struct
import sys

PAGE = 4096
XPRESS = 1

wim = ctypes.CDLL('libwim.so.15')
wim.wimlib_compress.restype = ctypes.c_size_t
wim.wimlib_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
fwnt = ctypes.CDLL('libfwnt.so.1')


def huffman(data):
    compressor = ctypes.c_void_p()
    assert wim.wimlib_create_compressor(XPRESS, ctypes.c_size_t(65536), 50, ctypes.byref(compressor)) == 0
    room = ctypes.create_string_buffer(len(data))
    size = wim.wimlib_compress(data, len(data), room, len(data) - 1, compressor)
    wim.wimlib_free_compressor(compressor)
    return room.raw[:size] if size else None


def plain(data):
    out = bytearray(4)
    flags, count, flags_at, half_at = 0, 0, 0, 0
    seen = {}
    at = 0
    while at < len(data):
        key = data[at:at + 3]
        before = seen.get(key) if len(key) == 3 else None
        seen[key] = at
        length = 0
        if before is not None and at - before <= 8192:
            while at + length < len(data) and data[before + length] == data[at + length]:
                length += 1
        if length < 3:
            out.append(data[at])
            flags <<= 1
            at += 1
        else:
            distance = at - before
            at += length
            length -= 3
            out += struct.pack('<H', (distance - 1) << 3 | min(length, 7))
            if length >= 7:
                length -= 7
                if half_at == 0:
                    half_at = len(out)
                    out.append(min(length, 15))
                else:
                    out[half_at] |= min(length, 15) << 4
                    half_at = 0
                if length >= 15:
                    length -= 15
                    out.append(min(length, 255))
                    if length >= 255:
                        length += 15 + 7
                        out += struct.pack('<H', length) if length < 65536 else struct.pack('<HI', 0, length)
            flags = flags << 1 | 1
        count += 1
        if count == 32:
            struct.pack_into('<I', out, flags_at, flags)
            flags, count, flags_at = 0, 0, len(out)
            out += bytes(4)
    flags = (flags << (32 - count) | (1 << (32 - count)) - 1) & 0xffffffff
    struct.pack_into('<I', out, flags_at, flags)
    check(bytes(out), data)
    return bytes(out)


def check(stored, data):
    room = ctypes.create_string_buffer(len(data))
    size = ctypes.c_size_t(len(data))
    error = ctypes.c_void_p()
    done = fwnt.libfwnt_lzxpress_decompress(
        stored, ctypes.c_size_t(len(stored)), room, ctypes.byref(size), ctypes.byref(error))
    assert done == 1 and room.raw[:size.value] == data


# length of the header: word, pages of the loader, first pages of both sets, pages of the kernel, highest page
PROFILES = {
    0x360: (8, 0x58, 0x60, 0x68, 0x1c8, 0x330),
    0x3b0: (8, 0x58, 0x68, 0x70, 0x218, 0x380),
    0x3e0: (8, 0x58, 0x68, 0x70, 0x230, 0x398),
    0x448: (8, 0x58, 0x68, 0x70, 0x230, 0x400),
    0x4d8: (8, 0x58, 0x68, 0x70, 0x238, 0x498),
    0x340: (4, 0x48, 0x50, 0x54, 0x210, 0x310),
}


def compressed_set(word, ranges, pages, method):
    """ranges: pairs of first page and count; pages: what they hold, in that order."""
    data = b''.join(pages)
    stored = {0: plain, 2: huffman, None: lambda _: None}[method](data)
    if stored is None or len(stored) >= len(data):
        stored = data
    state = len(ranges) | len(stored) << 8 | (method or 0) << 30
    table = b''.join((first << 4 | count - 1).to_bytes(word, 'little') for first, count in ranges)
    return struct.pack('<I', state) + table + stored


def hibernation(length, loader, kernel, highest, least):
    word, loader_pages, boot, first, kernel_pages, highest_page = PROFILES[length]
    head = bytearray(PAGE)
    head[:4] = b'HIBR'
    struct.pack_into('<I', head, 0x0c, length)
    struct.pack_into('<I', head, 0x18 if word == 8 else 0x14, PAGE)
    struct.pack_into('<Q', head, 0x20 if word == 8 else 0x18, 132999997331234567)
    out = bytearray(3 * PAGE)
    for sets, total_at, start_at in ((loader, loader_pages, boot), (kernel, kernel_pages, first)):
        struct.pack_into('<Q', head, total_at, sum(count for ranges, _, _ in sets for _, count in ranges))
        head[start_at:start_at + word] = (len(out) // PAGE).to_bytes(word, 'little')
        for ranges, pages, method in sets:
            out += compressed_set(word, ranges, pages, method)
        out += bytes(-len(out) % PAGE)
    head[highest_page:highest_page + word] = highest.to_bytes(word, 'little')
    out[:PAGE] = head
    return bytes(out) + bytes(max(0, least - len(out)))


def main(prefix, length, count, least):
    rng = random.Random(count)
    words = [b'kernel', b'pool', b'\0' * 40, b'page table', b'ntoskrnl.exe', b'\xff' * 9, b'heap']
    def page(number):
        kind = number % 5
        if kind == 0: return rng.randbytes(PAGE)
        if kind == 1: return bytes([number & 0xff]) * PAGE
        if kind == 2: return bytes(i * 7 + number & 0xff for i in range(PAGE))
        text = b''.join(rng.choice(words) + rng.randbytes(2) for _ in range(700))
        return text[:PAGE]
    memory, sets, number = {}, [], 1
    while len(sets) < count:
        ranges, pages = [], []
        size = rng.choice([1, 3, 16, 16, 16])
        while len(pages) < size:
            run = min(rng.randint(1, 16), size - len(pages))
            number += rng.choice([0, 0, 1, 7, 900])
            ranges.append((number, run))
            for i in range(run):
                memory[number + i] = page(number + i)
                pages.append(memory[number + i])
            number += run
        sets.append((ranges, pages, rng.choice([0, 0, 2, 2, None])))
    # A page that the kernel's sets hold once more, with other content.
    again = page(4)
    first = sets[0][0][0][0]
    loader, kernel = sets[:count // 4], sets[count // 4:] + [([(first, 1)], [again], 0)]
    memory[first] = again
    with open(prefix + '.hib', 'wb') as file:
        file.write(hibernation(length, loader, kernel, max(number, 0x2000), least))
    with open(prefix + '.json', 'w') as file:
        json.dump({str(n): base64.b64encode(data).decode() for n, data in sorted(memory.items())}, file)


main(sys.argv[1], int(sys.argv[2], 0), int(sys.argv[3]), int(sys.argv[4]))
