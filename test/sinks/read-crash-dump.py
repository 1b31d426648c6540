"""Lists what each crash dump holds, after the description of the format alone: a JSON line for each file named."""
import hashlib
import json
import struct
import sys

PAGE = 4096


def pages_of(bits, length):
    for number in range(length):
        if bits[number // 8] >> (number % 8) & 1:
            yield number


def read(path):
    with open(path, 'rb') as file:
        head = file.read(8192)
        wide = head[:8] == b'PAGEDU64'
        assert wide or head[:8] == b'PAGEDUMP'
        size, block, runs, word = (0x2000, 0x88, 0x98, 'Q') if wide else (0x1000, 0x64, 0x6c, 'I')
        kind = struct.unpack_from('<I', head, 0xf98 if wide else 0xf88)[0]
        required = struct.unpack_from('<Q', head, 0xfa0)[0]
        if kind == 1:
            count = struct.unpack_from('<I', head, block)[0]
            total = struct.unpack_from('<' + word, head, block + struct.calcsize(word))[0]
            pairs = struct.unpack_from('<%d%s' % (2 * count, word), head, runs)
            pages = [p for base, n in zip(pairs[::2], pairs[1::2]) for p in range(base, base + n)]
            first = size
        else:
            file.seek(size)
            magic, valid, _, first, total, length = struct.unpack('<4s4sI20xQQQ', file.read(0x38))
            assert (magic, valid, length % 64) == (b'SDMP', b'DUMP', 0)
            pages = list(pages_of(file.read(length // 8), length))
        assert len(pages) == total
        file.seek(first)
        runs = []
        for page in pages:
            if not runs or runs[-1][0] + runs[-1][1] != page:
                runs.append([page, 0, hashlib.sha256()])
            runs[-1][1] += 1
            data = file.read(PAGE)
            assert len(data) == PAGE
            runs[-1][2].update(data)
        held = [[base * PAGE, count * PAGE, digest.hexdigest()] for base, count, digest in runs]
        return {'bits': 64 if wide else 32, 'type': kind, 'required': required, 'end': file.tell(), 'runs': held}


for path in sys.argv[1:]:
    print(json.dumps(read(path)))
