"""Inputs that mean harm, for hostile.sh: make_hostile.py FOLDER [MEMBERS]. Small files, written by hand where no tool would."""

import io
import os
import struct
import sys
import tarfile
import zlib

folder = sys.argv[1]
members = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000


def put(name, *parts):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        for part in parts:
            f.write(part)


MAGIC = struct.pack("<I", 0xFD2FB528)


def frame(window, count, byte=b"x", last=True):
    """A zstd frame of count blocks of 128 KiB, each four bytes here; window: its exponent, 10 and more."""
    block = lambda end: struct.pack("<I", 131072 << 3 | 1 << 1 | end)[:3] + byte
    return MAGIC + bytes([0, (window - 10) << 3]) + block(0) * (count - 1) + block(1 if last else 0)


# decompression that hardly ends: 16 GB out of half a megabyte, as one line, one text, and no WARC
bomb = frame(17, 125_000)
put("bomb/a.jsonl.zst", bomb)
put("bomb/b.txt.zst", bomb)
put("bomb/c.wet.zst", bomb)
# a window that no machine has, and the largest that libzstd takes
put("window/huge.jsonl.zst", frame(41, 1))
put("window2/large.jsonl.zst", frame(31, 3000, b" "))
# 16 MiB of one letter, over and over in one gzip stream: 1029 to 1
c = zlib.compressobj(9, zlib.DEFLATED, -15)
letters = c.compress(b"y" * (1 << 24)) + c.flush(zlib.Z_FULL_FLUSH)
put("gzip/a.jsonl.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", letters * 80)
# a zip bomb of the same, and one more member that is passed over
data, size = letters * 80, 80 << 24


def zip_of(names):
    files, directory = b"", b""
    for name in names:
        head = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(data), size, len(name), 0)
        directory += b"PK\1\2" + struct.pack("<H", 20) + head + struct.pack("<HHHII", 0, 0, 0, 0, len(files)) + name
        files += b"PK\3\4" + head + name + data
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, len(names), len(names), len(directory), len(files), 0)
    return files + directory + end


put("zip/a.zip", zip_of([b"a.txt", b"b.txt"]))
put("zip2/a.zip", zip_of([b".a.txt", b"b.txt"]))


def tar(name, entries):
    t = io.BytesIO()
    with tarfile.open(fileobj=t, mode="w", format=tarfile.PAX_FORMAT) as f:
        for member, data, headers in entries:
            info = tarfile.TarInfo(member)
            info.size = len(data)
            info.pax_headers = headers
            f.addfile(info, io.BytesIO(data))
    put(name, t.getvalue())


# a member that is one hole of 8 EiB
hole = {"GNU.sparse.size": str(2**63 - 1), "GNU.sparse.numblocks": "1", "GNU.sparse.offset": "0", "GNU.sparse.numbytes": "1"}
tar("hole/a.tar", [("a.txt", b"x", hole)])
# compressed again and again, and an archive in an archive
inner = zlib.compress(b'{"text": "x"}\n', 9, 31)
put("twice/a.jsonl.gz", zlib.compress(inner, 9, 31))
t = io.BytesIO()
with tarfile.open(fileobj=t, mode="w") as f:
    f.addfile(tarfile.TarInfo("x.txt"))
tar("twice/b.tar", [("c.tar", t.getvalue(), {})])

# names: absolute, climbing, newline, escape, quote, no UTF-8, long; each with a document
line = b'{"text": "a text"}\n'
names = ["/etc/passwd.jsonl", "../../../../up.jsonl", "./a/../b.jsonl", "new\nline.jsonl", "\x1b[31mred\x07.jsonl", 'quo"te\\.jsonl',
         "n\udcff\udcfe.jsonl", "x" * 5000 + ".jsonl", "tab\t.jsonl"]
t = io.BytesIO()
with tarfile.open(fileobj=t, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape") as f:
    for name in names:
        info = tarfile.TarInfo(name)
        info.size = len(line)
        f.addfile(info, io.BytesIO(line))
    info = tarfile.TarInfo("link.jsonl")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    f.addfile(info)
put("names/a.tar", t.getvalue())
# NUL in a name, where only a pax header can hold one
tar("nul/a.tar", [("a.jsonl", line, {"path": "nul\0name.jsonl"})])

# a million deep: arrays, objects, and in the text's place
deep = 1_000_000
put("deep/a.jsonl", line * 200, b"[" * deep, b"\n", b'{"a":' * deep, b"1", b"}" * deep, b"\n", b'{"text":', b"[" * deep, b"]" * deep, b"}\n")

# an archive of very many members, most of them without a record
path = os.path.join(folder, "many/a.tar")
os.makedirs(os.path.dirname(path), exist_ok=True)


def header(size):
    """A header in two halves, for a name of 28 bytes before them, and the sum that its checksum adds the name's to."""
    h = bytearray(512)
    h[100:107], h[108:115], h[116:123] = b"0000644", b"0000000", b"0000000"
    h[124:135], h[136:147], h[148:156] = b"%011o" % size, b"00000000000", b" " * 8
    h[156:157], h[257:265] = b"0", b"ustar\00000"
    return bytes(h[28:148]), bytes(h[156:]), sum(h)


kinds = [header(len(line)), header(0)]
body = line.ljust(512, b"\0")
with open(path, "wb") as f:
    for start in range(0, members, 1000):
        parts = []
        for i in range(start, min(start + 1000, members)):
            name = b"many/member-%010d.jsonl" % i
            head, tail, total = kinds[i % 100 > 0]
            parts += [name, head, b"%06o\0 " % (total + sum(name)), tail]
            if i % 100 == 0:
                parts.append(body)
        f.write(b"".join(parts))
    f.write(bytes(1024))
