"""Compressed pieces of streams, as PowerShell's WSMan client sends them (MS-XCA 2.1).

dissect.util decompresses; compression has literals only, with a fixed code.
"""

import struct

from dissect.util.compression import lzxpress_huffman

# The code is complete: 96 symbols with 7 bits, 95 with 9, and 66 with 10.
END = 256
OTHERS = [*range(32), *range(128, 256), END]
LENGTHS = {symbol: 7 for symbol in range(32, 128)}
LENGTHS |= {symbol: 9 if index < 95 else 10 for index, symbol in enumerate(OTHERS)}
# The longest code grows by up to 10 bits a byte, and its length is a 16-bit number.
LONGEST = 48_000


def codes():
    code, previous, assigned = 0, 0, {}
    for length, symbol in sorted((length, symbol) for symbol, length in LENGTHS.items()):
        code <<= length - previous
        assigned[symbol] = format(code, f"0{length}b")
        code, previous = code + 1, length
    return assigned


CODES = codes()
TABLE = bytes(LENGTHS.get(index, 0) | LENGTHS.get(index + 1, 0) << 4 for index in range(0, 512, 2))


def compress(data):
    out = b""
    for start in range(0, len(data), LONGEST):
        chunk = data[start : start + LONGEST]
        bits = "".join(CODES[byte] for byte in chunk) + CODES[END]
        # Readers hold two words.
        bits += "0" * (-len(bits) % 16 + 32)
        words = [int(bits[at : at + 16], 2) for at in range(0, len(bits), 16)]
        content = TABLE + struct.pack(f"<{len(words)}H", *words)
        if len(content) >= len(chunk):
            content = chunk
        out += struct.pack("<HH", len(chunk) - 1, len(content) - 1) + content
    return out


def decompress(data):
    """Returns the data, and the number of chunks that were compressed."""
    plain, count = b"", 0
    while data:
        length, compressed = (number + 1 for number in struct.unpack_from("<HH", data))
        chunk, data = data[4 : 4 + compressed], data[4 + compressed :]
        if length != compressed:
            chunk, count = decompress_chunk(chunk, length), count + 1
        assert len(chunk) == length, (len(chunk), length)
        plain += chunk
    return plain, count


def decompress_chunk(chunk, length):
    """Decompresses a chunk with dissect.util, which does not know the length.

    It ends when it has read the last word, up to two words before it has decoded it, and decodes padding as data. After
    64 KiB it expects another table, also if only words with the end of the data are left.
    """
    plain = b""
    for content in (chunk, chunk + bytes(2), chunk + bytes(4), chunk[:-2], chunk[:-4]):
        try:
            plain = lzxpress_huffman.decompress(content)
        except (AttributeError, TypeError, ValueError):
            # The padding is not a valid symbol, or words are left.
            continue
        if len(plain) >= length:
            break
    return plain[:length]
