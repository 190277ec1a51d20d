"""ICC profiles made from three numbers a primary, as small as the format allows."""
import struct

D50 = (0.9642, 1.0, 0.8249)
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))


def rgb_profile(primaries, name, gamma=2.2):
    """ICC 2.1: XYZ of red, green and blue under D50, and one exponent."""
    curve = b"curv" + struct.pack(">4xIH2x", 1, round(256 * gamma))
    tags = {b"desc": b"desc" + struct.pack(">4xI", len(name) + 1) + name.encode() + bytes(80),
            b"cprt": b"text" + bytes(8), b"wtpt": _xyz(D50), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    tags.update({kind: _xyz(primary) for kind, primary in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)})
    return _file(b"RGB ", tags)


def grey_profile(gamma):
    """Grey values that are a power of the light."""
    return _file(b"GRAY", {b"desc": b"desc" + struct.pack(">4xI", 5) + b"grey\0" + bytes(80), b"wtpt": _xyz(D50),
                           b"kTRC": b"curv" + struct.pack(">4xIH2x", 1, round(256 * gamma))})


def _xyz(values):
    return b"XYZ " + struct.pack(">4x3i", *(round(65536 * value) for value in values))


def _file(space, tags):
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for kind, content in tags.items():
        content += bytes(-len(content) % 4)
        table += kind + struct.pack(">II", start + len(body), len(content))
        body += content
    size = start + len(body)
    header = struct.pack(">I4xI4s4s4s12x4s28x3i48x", size, 0x02100000, b"mntr", space, b"XYZ ", b"acsp",
                         *(round(65536 * value) for value in D50))
    return header + struct.pack(">I", len(tags)) + table + body
