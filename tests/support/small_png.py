# SPDX-License-Identifier: MIT
"""Makes a picture of a page small: at most 256 colours, of which text and areas of one colour have few."""

import collections
import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_COLOURS = 256


def chunks_of(data):
    place = len(SIGNATURE)
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += length + 12


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def paeth(left, above, corner):
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def unfilter(data, width, height, size):
    """The lines of a picture whose pixels have so many bytes."""
    stride = width * size
    before = bytes(stride)
    for number in range(height):
        kind, *line = data[number * (stride + 1) : (number + 1) * (stride + 1)]
        for i in range(stride) if kind else ():
            left, corner = (line[i - size], before[i - size]) if i >= size else (0, 0)
            added = (0, left, before[i], (left + before[i]) // 2, paeth(left, before[i], corner) if kind == 4 else 0)[kind]
            line[i] = (line[i] + added) & 0xFF
        before = line
        yield line


def make_small(data):
    """The same picture, RGB or RGBA of 8 bits, with a palette."""
    chunks = list(chunks_of(data))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    assert depth == 8 and kind in (2, 6), "not as Chromium makes it"
    size = 3 if kind == 2 else 4
    raw = zlib.decompress(b"".join(content for name, content in chunks if name == b"IDAT"))
    lines = [[tuple(line[i : i + 3]) for i in range(0, len(line), size)] for line in unfilter(raw, width, height, size)]
    counted = collections.Counter(colour for line in lines for colour in line)
    palette = [colour for colour, _ in counted.most_common(MOST_COLOURS)]

    def nearest(colour):
        return min(range(len(palette)), key=lambda i: sum((a - b) ** 2 for a, b in zip(palette[i], colour)))

    index = {colour: nearest(colour) for colour in counted}
    packed = zlib.compress(b"".join(b"\0" + bytes(index[colour] for colour in line) for line in lines), 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    colours = b"".join(bytes(colour) for colour in palette)
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"PLTE", colours) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
