"""truth.py: what a volume of the memory that driver.c makes up is to hold, as decode-memory.py tells it.

Standard output is JSON: `runs`, for `data` and `UnreadableData` a list of [address, length] in ascending
order, and `data`, the SHA-256 of what can be read; `ranges`, what there is of either, likewise.
"""
import hashlib
import json
import struct
import sys

PAGE = 4096
RANGES = [(0x1000, 0x9E000), (0x100000, 0x300000), (0x1000000, 0x601000), (0x100000000, 0x400000)]
BAD = {0x1000, 0x180000, 0x1300000, 0x1301000, 0x1302000, 0x1600000, 0x100000000}

text = lambda spans: [[str(start), str(length)] for start, length in spans]
runs, digest = {"data": [], "UnreadableData": []}, hashlib.sha256()
for start, length in RANGES:
    for page in range(start, start + length, PAGE):
        mine = runs["UnreadableData" if page in BAD else "data"]
        if mine and sum(mine[-1]) == page:
            mine[-1][1] += PAGE
        else:
            mine.append([page, PAGE])
        if page not in BAD:
            digest.update(struct.pack("<512Q", *range(page, page + PAGE, 8)))
json.dump(
    {
        "runs": {name: text(mine) for name, mine in runs.items()},
        "ranges": text(RANGES),
        "data": digest.hexdigest(),
    },
    sys.stdout,
)
