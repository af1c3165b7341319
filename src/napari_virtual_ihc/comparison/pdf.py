"""A drawing as a PDF of one page: lines, circles, words in Helvetica, and pictures; no more."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from napari_virtual_ihc.comparison.drawing import Area, Dot, Line, Picture, Words, paper

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_virtual_ihc.comparison.drawing import Drawing, Mark

_SPOKEN = {
    "≥": ">=", "≤": "<=", "−": "–", "Σ": "sum", "σ": "sigma", "κ": "kappa", "ρ": "rho",
    "₂": "2", "→": "to",
}  # fmt: skip
"""What the encoding of PDF's own fonts lacks."""
_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
"""Of Helvetica's characters from the blank to the tilde, thousandths of the size."""
_OTHER, _BOLD = 556, 1.06
_KAPPA = 0.5523


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide a line of text is in the page's points; of bold type, nearly."""
    codes = (ord(one) - 32 for one in _spoken(text))
    whole = sum(_WIDTHS[code] if 0 <= code < len(_WIDTHS) else _OTHER for code in codes)
    return whole * size / 1000 * (_BOLD if bold else 1.0)


def wrapped(text: str, width: float, size: float) -> list[str]:
    """Return a text in lines no wider than ``width`` points, broken at blanks."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def pdf(drawing: Drawing, title: str) -> bytes:
    """Return a drawing as the bytes of a PDF; the same drawing gives the same bytes."""
    pictures = [mark for mark in drawing.marks if isinstance(mark, Picture)]
    names = " ".join(f"/P{index} {7 + index} 0 R" for index in range(len(pictures)))
    content = "\n".join(_operators(drawing, pictures)).encode("cp1252", "replace")
    size = f"[0 0 {drawing.width:g} {drawing.height:g}]"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox {size} /Contents 4 0 R /Resources << /Font "
        f"<< /F0 5 0 R /F1 6 0 R >> /XObject << {names} >> >> >>".encode(),
        _stream(b"", content),
        _font("Helvetica"),
        _font("Helvetica-Bold"),
        *map(_image, pictures),
        b"<< /Title " + _string(title).encode("cp1252", "replace") + b" >>",
    ]
    return _file(objects)


def _file(objects: Sequence[bytes]) -> bytes:
    out, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start, count = len(out), len(objects) + 1
    out += f"xref\n0 {count}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    trailer = f"<< /Size {count} /Root 1 0 R /Info {len(objects)} 0 R >>"
    return bytes(out + f"trailer\n{trailer}\nstartxref\n{start}\n%%EOF\n".encode())


def _stream(head: bytes, data: bytes) -> bytes:
    packed = zlib.compress(data, 9)
    size = f"/Filter /FlateDecode /Length {len(packed)}".encode()
    return b"<< " + head + size + b" >>\nstream\n" + packed + b"\nendstream"


def _font(name: str) -> bytes:
    return (
        f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>".encode()
    )


def _image(mark: Picture) -> bytes:
    height, width = mark.rgb.shape[:2]
    head = (
        f"/Type /XObject /Subtype /Image /Width {width} /Height {height} "
        "/ColorSpace /DeviceRGB /BitsPerComponent 8 "
    )
    return _stream(head.encode(), mark.rgb.tobytes())


def _operators(drawing: Drawing, pictures: Sequence[Picture]) -> Iterator[str]:
    """Yield the page's operators; its y runs up."""
    yield f"1 0 0 -1 0 {drawing.height:g} cm"
    for mark in drawing.marks:
        yield f"q {_operator(mark, pictures)} Q"


def _operator(mark: Mark, pictures: Sequence[Picture]) -> str:
    match mark:
        case Line():
            dash = "[4 3] 0 d " if mark.dashed else ""
            ends = f"{mark.x1:.2f} {mark.y1:.2f} m {mark.x2:.2f} {mark.y2:.2f} l S"
            return f"{_rgb(mark.colour)} RG {mark.width:.2f} w {dash}{ends}"
        case Dot():
            return _circle(mark)
        case Area():
            place = f"{mark.x:.2f} {mark.y:.2f} {mark.width:.2f} {mark.height:.2f}"
            return f"{_rgb(mark.colour)} rg {place} re f"
        case Picture():
            number = next(index for index, one in enumerate(pictures) if one is mark)
            bottom = mark.y + mark.height
            place = f"{mark.width:.2f} 0 0 {-mark.height:.2f} {mark.x:.2f} {bottom:.2f} cm"
            return f"{place} /P{number} Do"
        case Words():
            return _words(mark)


def _words(mark: Words) -> str:
    width = text_width(mark.text, mark.size, bold=mark.bold)
    back = {"start": 0.0, "middle": width / 2, "end": width}[mark.anchor]
    turn = "0 -1 -1 0" if mark.turned else "1 0 0 -1"
    x, y = (mark.x, mark.y + back) if mark.turned else (mark.x - back, mark.y)
    font = f"/F{int(mark.bold)} {mark.size:.2f} Tf"
    return f"BT {_rgb(mark.colour)} rg {font} {turn} {x:.2f} {y:.2f} Tm {_string(mark.text)} Tj ET"


def _circle(mark: Dot) -> str:
    """Return four curves; what lies on white is paler where it is translucent."""
    r, k = mark.radius, _KAPPA * mark.radius
    points = ((r, 0), (r, k), (k, r), (0, r), (-k, r), (-r, k), (-r, 0), (-r, -k), (-k, -r),
              (0, -r), (k, -r), (r, -k), (r, 0))  # fmt: skip
    placed = [f"{mark.x + x:.2f} {mark.y + y:.2f}" for x, y in points]
    curves = " ".join(f"{' '.join(placed[at : at + 3])} c" for at in range(1, 13, 3))
    return f"{_rgb(mark.colour, mark.opacity)} rg {placed[0]} m {curves} f"


def _rgb(colour: str, opacity: float = 1.0) -> str:
    parts = bytes.fromhex(paper(colour)[1:])
    return " ".join(f"{1 - opacity * (1 - one / 255):.3f}" for one in parts)


def _string(text: str) -> str:
    for one in "\\()":
        text = text.replace(one, f"\\{one}")
    return f"({_spoken(text)})"


def _spoken(text: str) -> str:
    return "".join(_SPOKEN.get(one, one) for one in text)
