"""ICC profiles of version 2, made from their numbers: RGB by primaries and gamma, grey by gamma, print by a table."""

import struct

import numpy as np

SRGB = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7142]])
ADOBE_RGB = np.array([[0.6097, 0.2053, 0.1492], [0.3111, 0.6257, 0.0632], [0.0195, 0.0609, 0.7446]])
DISPLAY_P3 = np.array([[0.5151, 0.2920, 0.1571], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]])
WHITE = (0.9642, 1.0, 0.8249)


def rgb_profile(primaries: np.ndarray, gamma: float) -> bytes:
    """Primaries as columns of XYZ under D50."""
    tags = {name: _xyz(primaries[:, at]) for at, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    return _profile(b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma)))


def grey_profile(gamma: float) -> bytes:
    """Grey of this gamma."""
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma)})


def print_profile() -> bytes:
    """CMYK of which black alone is seen."""
    straight = bytes(range(256))
    corners = b"".join(bytes([0 if black else 255, 128, 128]) for _ in range(8) for black in (0, 1))
    unit = struct.pack(">9i", *(65536 * int(one) for one in np.eye(3).ravel()))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + unit + straight * 4 + corners + straight * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table}, b"prtr")


def _profile(space: bytes, connection: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    tags = {b"wtpt": _xyz(WHITE), b"cprt": b"text\0\0\0\0none\0", **tags}
    index, body, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, tag in tags.items():
        padded = tag + b"\0" * (-len(tag) % 4)
        index += name + struct.pack(">2I", at + len(body), len(tag))
        body += padded
    date = struct.pack(">6H", 2024, 1, 1, 0, 0, 0)
    header = b"\0" * 8 + struct.pack(">I", 0x02400000) + kind + space + connection + date + b"acsp" + b"\0" * 28
    header += _xyz(WHITE)[8:] + b"\0" * 48
    return struct.pack(">I", len(header) + len(index) + len(body)) + header[4:] + index + body


def _xyz(values: "tuple[float, float, float] | np.ndarray") -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(value) * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
