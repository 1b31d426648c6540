"""LiME images, read and written without our own code.

list FILE           a line of JSON for each record: start, length, SHA-256
make FILE [START LENGTH BYTE]...  a record for each range, of one byte repeated
"""

import hashlib, json, struct, sys

HEADER = struct.Struct("<IIQQ8s")


def records(file):
    while header := file.read(HEADER.size):
        magic, version, start, end, reserved = HEADER.unpack(header)
        assert (magic, version, reserved) == (0x4C694D45, 1, bytes(8)), "no record"
        content = file.read(end - start + 1)
        assert len(content) == end - start + 1, "cut"
        yield start, content


command, name, *rest = sys.argv[1:]
if command == "list":
    with open(name, "rb") as file:
        for start, content in records(file):
            print(json.dumps([hex(start), len(content), hashlib.sha256(content).hexdigest()]))
else:
    with open(name, "wb") as file:
        for start, length, byte in zip(*[(int(word, 0) for word in rest)] * 3):
            file.write(HEADER.pack(0x4C694D45, 1, start, start + length - 1, bytes(8)))
            file.write(bytes([byte]) * length)
