"""Runs in the guest as root: makes pages that the kernel will not show any more, and prints where they are.

A block of memory taken offline, madvise 100 (MADV_HWPOISON) and 101 (MADV_SOFT_OFFLINE) on a page of ours.
"""
import ctypes
import glob
import json
import mmap
import struct
import sys
import time

PAGE = 4096
libc = ctypes.CDLL(None, use_errno=True)


def physical(address):
    """/proc/self/pagemap: 8 bytes a page, the frame number in bits 0 to 54."""
    with open("/proc/self/pagemap", "rb") as pagemap:
        pagemap.seek(address // PAGE * 8)
        return (struct.unpack("<Q", pagemap.read(8))[0] & (1 << 55) - 1) * PAGE


def spoil(advice, text):
    page = mmap.mmap(-1, PAGE)
    page[:] = text.ljust(PAGE, b".")
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    where = physical(address)
    if libc.madvise(ctypes.c_void_p(address), PAGE, advice) != 0:
        raise OSError(ctypes.get_errno(), "madvise")
    return {"address": where, "size": PAGE}


def offline_block():
    """Of the module that was plugged in: brought online and taken offline before anything lies in it."""
    with open("/sys/devices/system/memory/block_size_bytes") as size:
        size = int(size.read(), 16)
    for _ in range(100):
        for block in glob.glob("/sys/devices/system/memory/memory*"):
            with open(block + "/state") as state:
                if state.read().strip() != "offline":
                    continue
            for wanted in "online_movable", "offline":
                with open(block + "/state", "w") as state:
                    state.write(wanted)
            return {"address": int(block.split("memory")[-1]) * size, "size": size}
        time.sleep(0.1)
    raise OSError("no module was plugged in")


# The block first: pages that are made unreadable in it would count twice.
block = offline_block()
json.dump({"block": block, "poisoned": spoil(100, b"poisoned page"),
           "soft-offlined": spoil(101, b"soft-offlined page")}, sys.stdout)
