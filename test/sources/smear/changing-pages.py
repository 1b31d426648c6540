"""A process of which a known share of pages changes when it is told so.

Prints where they are; each line of standard input rewrites every fourth of them, which is answered with a line.
"""
import ctypes
import mmap
import sys

PAGE, PAGES, EVERY = 4096, 4096, 4
# Yama lets only forebears look otherwise: PR_SET_PTRACER, any.
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(2**64 - 1), 0, 0, 0)
memory = mmap.mmap(-1, PAGES * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for page in range(PAGES):
    memory[page * PAGE] = 1
print(ctypes.addressof(ctypes.c_char.from_buffer(memory)), flush=True)
for turn, _ in enumerate(sys.stdin):
    for page in range(0, PAGES, EVERY):
        memory[page * PAGE + 100] = 2 + turn % 200
    print(turn, flush=True)
