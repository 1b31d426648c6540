"""Files as Windows' `compact /exe` stores them, compressed by wimlib."""
import ctypes, os, struct
from contents import noise, prose
from volume import digest

XPRESS, LZX = 1, 2
# Number in the reparse point, wimlib's compressor, bytes a chunk.
FORMATS = {'xpress4k': (0, XPRESS, 4096), 'lzx': (1, LZX, 32768), 'xpress8k': (2, XPRESS, 8192), 'xpress16k': (3, XPRESS, 16384)}
REPARSE_TAG, VERSION, FILE_PROVIDER = 0x80000017, 1, 2

def chunks(compressor, size, data):
    """What is not shorter when compressed is kept as it is."""
    wimlib = ctypes.CDLL('libwim.so.15')
    wimlib.wimlib_compress.restype = ctypes.c_size_t
    wimlib.wimlib_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
    made = ctypes.c_void_p()
    if status := wimlib.wimlib_create_compressor(compressor, ctypes.c_size_t(size), 0, ctypes.byref(made)): raise SystemExit(f'wimlib_create_compressor: {status}')
    for at in range(0, len(data), size):
        plain = data[at:at + size]
        short = ctypes.create_string_buffer(len(plain))
        length = wimlib.wimlib_compress(plain, len(plain), short, len(plain) - 1, made)
        yield short.raw[:length] if length else plain
    wimlib.wimlib_free_compressor(made)

def stored(compressor, size, data):
    """A table of where all chunks but the first begin, counted from its end, and the chunks."""
    table, pieces, at = [], list(chunks(compressor, size, data)), 0
    for piece in pieces[:-1]: table.append(at := at + len(piece))
    return struct.pack(f'<{len(table)}I', *table) + b''.join(pieces)

def compact(volume):
    """What the files hold is known from what went in: ntfs-3g reads nothing of them."""
    for name, (number, compressor, size) in FORMATS.items():
        with open('/bin/sh', 'rb') as program: code = program.read()
        for file, data in {'prose': prose(name, 150_001), 'noise': noise(name, 40_000) + prose('after noise', 30_000), 'one chunk': prose('one', 3000), 'whole chunks': prose('whole', 4 * size),
                           'code': code, 'zeros': bytes(100_000), 'byte': b'1'}.items():
            path = f'wof/{name}/{file}'
            os.makedirs(os.path.dirname(volume.path(path)), exist_ok=True)
            with open(volume.path(path), 'wb') as out: out.truncate(len(data))
            raw = stored(compressor, size, data)
            volume.write(path, raw, 'WofCompressedData')
            entry = {'state': 'live', 'record': os.lstat(volume.path(path)).st_ino, 'path': path}
            volume.set(path, 'reparse_data', struct.pack('<IHHIIII', REPARSE_TAG, 16, 0, 1, FILE_PROVIDER, VERSION, number))
            volume.compact += [{**entry, 'stream': '', 'size': len(data), 'sha256': digest(data)},
                               {**entry, 'stream': 'WofCompressedData', 'size': len(raw), 'sha256': digest(raw)}]
