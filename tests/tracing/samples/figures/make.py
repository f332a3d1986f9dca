"""Make the pictures that the samples show: small, our own, the same bytes every time."""

import struct
import zlib
from pathlib import Path

HERE = Path(__file__).parent


def png(width: int, height: int) -> bytes:
    """A grey ramp, 8 bits a pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(255 * x // (width - 1) for x in range(width)) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


if __name__ == "__main__":
    (HERE / "ramp.png").write_bytes(png(32, 8))
    (HERE / "ring.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24"><circle cx="12" cy="12" r="9" fill="none" '
        'stroke="black"/></svg>\n'
    )
    # The first box of an MP4 and nothing more: enough to be known as one.
    (HERE / "clip.mp4").write_bytes(struct.pack(">I", 16) + b"ftypisom" + struct.pack(">I", 512))
