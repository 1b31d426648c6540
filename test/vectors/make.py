#!/usr/bin/env python3
"""Writes the test vectors beside this file: pmem frames made by hand, without pmem's own encoder.

Each vector is text. The first line says what a reader must do with the bytes:

    accept: TYPES       deliver these frames, in this order; the transmission ends as its END says
    truncate: TYPES     deliver these frames; those in parentheses are the reader's own, which mark the cut
    refuse OFFSET: TYPES  deliver these frames, then refuse the frame whose header is at OFFSET

Lines that begin with # explain. The rest is the input in hexadecimal; white space means nothing.
"""
import json
import pathlib
import struct
import zlib

START, STREAM, DATA, FILL, META, DIGEST, NOTE, CLOSE, END = range(1, 10)


def frame(kind, payload=b"", *, codec=0, flags=0, stream=0, offset=0, length=0, time=0, size=None, magic=b"PMF1", crc=None):
    if isinstance(payload, dict):
        payload = json.dumps(payload, separators=(",", ":")).encode()
    if flags & 1 and crc is None:
        crc = zlib.crc32(payload)
    head = struct.pack("<4sBBHIIQQQI", magic, kind, codec, flags, stream, len(payload) if size is None else size,
                       offset, length, time, crc or 0)
    return head + struct.pack("<I", zlib.crc32(head)) + payload


def start():
    return frame(START, {"format": 1, "programs": [{"name": "by-hand", "version": "1", "arguments": []}]})


def stream(name="a", kind="image", number=1, **more):
    return frame(STREAM, {"name": name, "kind": kind, **more}, stream=number)


def data(payload=b"evidence", offset=0, number=1, **more):
    more.setdefault("length", len(payload))
    return frame(DATA, payload, stream=number, offset=offset, **more)


def close(status="complete", number=1, size=8):
    return frame(CLOSE, {"status": status, "bytes": size}, stream=number)


def end(before, status="complete", **wrong):
    body = {"status": status, "frames": len(before), "bytes": sum(len(f) - 48 for f in before)} | wrong
    return frame(END, body)


def whole(*frames, status="complete"):
    return b"".join(frames) + end(frames, status)


def flip(data, at, bit=1):
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1:]


HERE = pathlib.Path(__file__).parent


def vector(name, expect, why, data):
    text = data.hex()
    lines = [text[i:i + 96] for i in range(0, len(text), 96)]
    (HERE / f"{name}.txt").write_text("\n".join([expect, f"# {why}", *lines]) + "\n")


one = (start(), stream(), data(), close())
four = "start stream data close end"
vector("one-image", f"accept: {four}", "the smallest image with bytes", whole(*one))
vector("empty-file", "accept: start stream close end", "an empty file is an image of size 0",
       whole(start(), stream(size="0x0"), close(size=0)))
vector("every-type", "accept: start meta stream meta data fill fill fill fill digest note close note end",
       "all types, all kinds of FILL, times, META of the volume and of a stream",
       whole(start(), frame(META, "<> a <urn:x> .".encode()), stream("PhysicalMemory", "map", category="memory:physical"),
             frame(META, b"<> <urn:p> 1 .", stream=1), data(offset=0x1000, time=1_700_000_000_000_000_000),
             frame(FILL, stream=1, offset=0x2000, length=4096), frame(FILL, codec=1, stream=1, offset=0x3000, length=4096),
             frame(FILL, codec=2, stream=1, offset=0x4000, length=1 << 40),
             frame(FILL, b"\xff", codec=3, stream=1, offset=1 << 52, length=4096),
             frame(DIGEST, {"algorithm": "md5", "value": "00", "covers": "ranges"}, stream=1),
             frame(NOTE, {"level": "warning", "program": "by-hand", "message": "a page"}, stream=1), close(),
             frame(NOTE, {"level": "info", "program": "by-hand", "message": "done"})))
packed = zlib.compress(b"pmem" * 8)
vector("codecs", "accept: start stream data data data close end",
       "zlib, padded zlib (32 bytes decode, 20 count) and padded raw, each with a payload CRC",
       whole(start(), stream(kind="map", chunkSize=32), data(packed, codec=1, length=32, flags=1),
             data(packed, 32, codec=1, length=20, flags=3), data(b"x" * 12 + b"\0" * 20, 96, length=12, flags=3), close()))
vector("two-transmissions", f"accept: {four} {four}", "transmissions concatenate; stream ids start again", whole(*one) + whole(*one))
vector("failed-before-evidence", "accept: start end", "a source that fails at once says so",
       whole(start(), status="failed"))
vector("interrupted", "accept: start stream data close end", "an interrupted source closes what it opened",
       whole(start(), stream(), data(), close("interrupted"), status="interrupted"))
vector("unordered", "accept: start stream data data close end", "ordered: false lets offsets go back",
       whole(start(), stream(kind="map", ordered=False), data(offset=4096), data(offset=0), close()))
vector("top-of-address-space", "accept: start stream data close end", "the last eight bytes of 2^64",
       whole(start(), stream(kind="map"), data(offset=2**64 - 8), close()))
vector("unknown-keys", "accept: start stream data close end", "unknown JSON keys are kept",
       whole(start(), stream(colour="blue"), data(), close()))

vector("empty-input", "truncate: (start) (end)", "an empty input is truncation", b"")
vector("no-end", "truncate: start stream data (close) (end)", "input ends after CLOSE's header was verified, before END: CLOSE itself is not yet vouched for",
       b"".join(one))
vector("cut-in-payload", "truncate: start stream (close) (end)", "input ends inside a payload", b"".join(one[:3])[:-3])
vector("cut-in-header", "truncate: start (end)", "input ends inside the header after STREAM: STREAM never counts",
       b"".join(one[:2]) + data()[:20])
vector("end-unverified", "truncate: start stream data close (end)", "bytes after END that are no header: END does not count",
       whole(*one) + b"PMF")
vector("start-inside", f"truncate: start stream data (close) (end) {four}", "START inside a transmission ends it as truncated",
       b"".join(one[:3]) + whole(*one))
vector("killed-in-payload", f"truncate: start stream (close) (end) {four}",
       "a writer killed inside a payload, another's transmission behind it: the damaged frame is dropped, the next START is found inside its claimed payload",
       start() + stream() + data(b"x" * 4096)[:-1000] + whole(*one))
vector("flipped-header-bit", "truncate: start (end)", "a flipped bit in a header, and no START behind it: the frame before it is dropped too",
       flip(whole(*one), len(one[0]) + len(one[1]) + 16))

garbage = b"not a frame at all, but longer than a header is: 48 bytes and some more"
vector("wrong-magic", "refuse 0:", "the input is something else", garbage)
vector("flipped-first-bit", "refuse 0:", "a damaged first header is not told from something else", flip(whole(*one), 1))
prefix = len(one[0]) + len(one[1])


def bad(name, why, third, *, second=None, expect="start stream", at=prefix):
    head = one[0] + (second or one[1])
    vector(name, f"refuse {at if second is None else len(head)}: {expect}", why, head + third + close())


bad("unknown-type", "type 10", frame(10, b"x", stream=1))
bad("unknown-flag", "flag bit 2", data(flags=4))
bad("unknown-codec", "codec 5", data(codec=5))
bad("unknown-fill", "FILL kind 4", frame(FILL, codec=4, stream=1, length=1))
bad("huge-payload", "a payload of 16 MiB and one byte", frame(DATA, stream=1, length=8, size=(16 << 20) + 1))
bad("huge-length", "a length of 2^40 in DATA", data(length=1 << 40, codec=1))
bad("length-without-payload", "DATA without bytes", frame(DATA, stream=1, length=8))
bad("raw-length", "raw bytes that are fewer than the length", data(b"four", length=8))
bad("past-the-end", "a range beyond 2^64", frame(FILL, stream=1, offset=2**64 - 4, length=8))
bad("fill-payload", "FILL zero with a payload", frame(FILL, b"x", stream=1, length=8))
bad("stream-zero", "DATA of stream 0", data(number=0))
bad("gap-in-image", "an image is contiguous", data(offset=8))
bad("wrong-stream", "DATA of a stream that is not open", data(number=2))
bad("two-open", "STREAM while one is open", stream("b", number=2))
bad("bad-json", "DIGEST that is not JSON", frame(DIGEST, b"{", stream=1))
bad("bad-utf8", "META that is not UTF-8", frame(META, b"\xff\xfe", stream=1))
bad("end-while-open", "END while a stream is open", end(one[:2]))
first_map = len(one[0]) + len(stream(kind="map"))
vector("backwards", f"refuse {first_map + len(data())}: start stream data", "an offset behind the last one",
       one[0] + stream(kind="map") + data(offset=8) + data(offset=0) + close())
vector("empty-map", f"refuse {first_map}: start stream", "a map that closes without one DATA or FILL",
       whole(one[0], stream(kind="map"), close()))
vector("complete-without-stream", f"refuse {len(one[0])}: start", "complete, and no STREAM", whole(start()))
vector("miscounted", f"refuse {sum(map(len, one))}: start stream data close", "END counts a frame that never came",
       b"".join(one) + end(one, frames=5))
vector("no-start", "refuse 0:", "a transmission begins with START", b"".join(one[1:]) + end(one[1:]))
print(len(list(HERE.glob("*.txt"))), "vectors")
