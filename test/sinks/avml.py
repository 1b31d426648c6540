"""Decodes an AVML 2 image with Debian's snappy, and compares the CRC-32C of each chunk: a line of JSON for each record:
start, length, SHA-256, bytes of its framed stream."""

import functools, hashlib, json, snappy, struct, sys

TABLE = []
for entry in range(256):
    for _ in range(8):
        entry = entry >> 1 ^ (0x82F63B78 if entry & 1 else 0)
    TABLE.append(entry)


@functools.cache
def masked_crc32c(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def chunks(data, at):
    """The contents of the chunks of a framed stream, and where each ends."""
    assert data[at : at + 10] == b"\xff\x06\x00\x00sNaPpY", "no stream identifier"
    at += 10
    while True:
        kind, length = data[at], int.from_bytes(data[at + 1 : at + 4], "little")
        (crc,) = struct.unpack_from("<I", data, at + 4)
        stored = data[at + 8 : at + 4 + length]
        content = {0: snappy.decompress, 1: bytes}[kind](stored)
        assert len(content) <= 65536 and crc == masked_crc32c(content), f"a wrong chunk at {at:#x}"
        at += 4 + length
        yield content, at


data = open(sys.argv[1], "rb").read()
offset = 0
while offset < len(data):
    magic, version, start, end, reserved = struct.unpack_from("<4sIQQQ", data, offset)
    assert (magic, version, reserved) == (b"AVML", 2, 0), f"no record at {offset:#x}"
    record = hashlib.sha256()
    missing = end + 1 - start
    for content, at in chunks(data, offset + 32):
        record.update(content)
        missing -= len(content)
        if missing <= 0:
            break
    framed = at - offset - 32
    assert missing == 0 and struct.unpack_from("<Q", data, at) == (framed,), "a wrong length"
    offset = at + 8
    print(json.dumps([hex(start), end + 1 - start, record.hexdigest(), framed]))
