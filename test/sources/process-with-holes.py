"""A process to be read: plants what is hard to find, says where it is, and waits.

JSON on standard output gives address and size of each mapping. With "small", none is larger than 64 MiB.
"""
import ctypes
import json
import mmap
import os
import sys
import tempfile
import threading

PAGE = 4096
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
NONE, READ, WRITE = 0, 1, 2
# Yama lets only forebears look otherwise: PR_SET_PTRACER, any.
libc.prctl(0x59616D61, ctypes.c_ulong(2**64 - 1), 0, 0, 0)
SHARED, PRIVATE, ANONYMOUS, NORESERVE = 1, 2, 0x20, 0x4000


def take(size, protection, flags, fd=-1):
    address = libc.mmap(None, size, protection, flags, fd, 0)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    return address


def plant(address, pages, text):
    for page in pages:
        ctypes.memmove(address + page * PAGE, (text % page).encode(), len(text % page))


places = {}
pattern = take(64 * PAGE, READ | WRITE, PRIVATE | ANONYMOUS)
plant(pattern, range(64), "pattern page %d")
places["pattern"] = [pattern, 64 * PAGE]

small = sys.argv[1:] == ["small"]
size = 32 << 20 if small else 1 << 30
sparse = take(size, READ | WRITE, PRIVATE | ANONYMOUS | NORESERVE)
plant(sparse, [0, 1000, size // PAGE - 1], "sparse page %d")
places["sparse"] = [sparse, size]

hidden = take(8 * PAGE, READ | WRITE, PRIVATE | ANONYMOUS)
plant(hidden, [2, 3], "hidden page %d")
libc.mprotect(hidden, 8 * PAGE, NONE)
places["hidden"] = [hidden, 8 * PAGE]

size = 64 << 20 if small else 256 << 30
places["reserved"] = [take(size, NONE, PRIVATE | ANONYMOUS | NORESERVE), size]

cut = tempfile.TemporaryFile()
cut.write(b"three pages".ljust(3 * PAGE, b"!"))
cut.flush()
places["beyond"] = [take(8 * PAGE, READ, PRIVATE, cut.fileno()), 8 * PAGE]

shared = os.memfd_create("untouched")
os.ftruncate(shared, 64 << 20)
address = take(64 << 20, READ | WRITE, SHARED, shared)
plant(address, [5], "shared page %d")
places["shared"] = [address, 64 << 20]

from_child = take(4 * PAGE, READ | WRITE, SHARED | ANONYMOUS)
child = os.fork()
if child == 0:
    plant(from_child, [1], "child's page %d")
    os._exit(0)
os.waitpid(child, 0)
places["from child"] = [from_child, 4 * PAGE]

threading.Thread(target=threading.Event().wait, daemon=True).start()
print(json.dumps(places), flush=True)
for line in sys.stdin:
    print(json.dumps(os.fstat(shared).st_blocks * 512), flush=True)
