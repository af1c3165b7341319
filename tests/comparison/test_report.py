from __future__ import annotations

import re
import zlib
from html import escape
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from comparison_scenes import slide_of

from napari_virtual_ihc.comparison.agreement import agreements
from napari_virtual_ihc.comparison.comparability import COLOURS, Verdict
from napari_virtual_ihc.comparison.drawing import Drawing, Picture, Words, svg
from napari_virtual_ihc.comparison.gate import SlidePair, layout_for
from napari_virtual_ihc.comparison.marking import STRIP_RGB, burn_mark
from napari_virtual_ihc.comparison.pairing import score_pair
from napari_virtual_ihc.comparison.pdf import pdf, text_width, wrapped
from napari_virtual_ihc.comparison.region_picture import MOST_UM, legend_of, region_picture
from napari_virtual_ihc.comparison.report import facts, html
from napari_virtual_ihc.comparison.report_files import write_report
from napari_virtual_ihc.comparison.report_page import page, plotted
from napari_virtual_ihc.comparison.report_rows import agreement_rows, origin_rows, region_rows
from napari_virtual_ihc.comparison.scorer import Scorer
from napari_virtual_ihc.comparison.squares import Box
from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.stains.unmix import compose
from napari_virtual_ihc.stains.vectors import H_DAB

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.slides.slide import Slide

SIDE = 600


def stained(seed: int, mpp: float = 1.0) -> Slide:
    rng = np.random.default_rng(seed)
    coarse = rng.random((SIDE // 20, SIDE // 20, 2)).repeat(20, axis=0).repeat(20, axis=1)
    od = np.concatenate([coarse * 0.5, np.zeros((SIDE, SIDE, 1))], axis=-1)
    return slide_of(compose(od, H_DAB), mpp)


@pytest.fixture(scope="module")
def slides() -> tuple[Slide, Slide]:
    return stained(1), stained(1)


def objects_of(data: bytes) -> list[bytes]:
    """Return the bodies of a PDF's objects, found by its table of places."""
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", data)[1])
    assert data[start : start + 5] == b"xref\n"
    places = [int(one) for one in re.findall(rb"\n(\d{10}) 00000 n ", data[start:])]
    for number, place in enumerate(places, 1):
        assert data[place:].startswith(f"{number} 0 obj\n".encode())
    return [data[a:b] for a, b in zip(places, [*places[1:], start], strict=True)]


def stream_of(body: bytes) -> bytes:
    packed = body.split(b"stream\n", 1)[1].rsplit(b"\nendstream", 1)[0]
    assert len(packed) == int(re.search(rb"/Length (\d+)", body)[1])
    return zlib.decompress(packed)


def test_a_pdf_holds_words_and_pictures() -> None:
    rgb = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    drawing = Drawing(100, 50, (Words(1, 9, "r ≥ 0.5 (µm²) − \\", 8), Picture(0, 0, 8, 4, rgb)))
    data = pdf(drawing, "A title")
    assert data == pdf(drawing, "A title")
    objects = objects_of(data)
    assert stream_of(objects[6]) == rgb.tobytes()
    assert "(r >= 0.5 \\(µm²\\) – \\\\) Tj" in stream_of(objects[3]).decode("cp1252")
    assert b"/MediaBox [0 0 100 50]" in objects[2]
    assert b"(A title)" in objects[-1]


def test_lines_are_broken_where_they_become_too_wide() -> None:
    assert text_width("Aa", 10) == pytest.approx(12.23)
    text = "one two three four five six"
    lines = wrapped(text, 45, 10)
    assert " ".join(lines) == text
    assert all(text_width(line, 10) <= 45 for line in lines)
    assert len(lines) == 3


def test_one_page_says_all_and_nothing_hangs_over(
    slides: tuple[Slide, Slide], tmp_path: Path
) -> None:
    tally = score_pair(*slides, Scorer(cells="membranes"), 1.0, Box(0, 0, 500, 500))
    found = agreements(tally)
    told = facts(tally, found, {"real": "f" * 32, "region_um": [0, 0, 500, 500]})
    pair = SlidePair(*slides, "ihc", layout_for(*slides))
    picture = region_picture(
        *slides, pair, Box(0, 0, 500, 500), "VIRTUAL Ki-67 · demo", lambda *_: None
    )
    drawing = page(told, found, picture)
    assert (drawing.width, drawing.height) == (595, 842)
    words = [one for one in drawing.marks if isinstance(one, Words)]
    assert sum("VIRTUAL" in one.text for one in words) == 2
    text = " ".join(one.text for one in words)
    for part in ("Not gated", "Bland–Altman", "ICC(2,1)", "f" * 32, "500 × 500 µm"):
        assert part in text
    nothing_overprints(words)
    drawn = sorted((one for one in words if "VIRTUAL" not in one.text), key=lambda one: one.y)
    assert drawn[-1].y < 842 - 26 - 16
    for one in words:
        back = {"start": 0, "middle": 0.5, "end": 1}[one.anchor]
        width = text_width(one.text, one.size, bold=one.bold)
        if not one.turned:
            assert 25 <= one.x - back * width <= one.x + (1 - back) * width <= 570, one
        assert 0 < one.y < 842, one
    names = write_report(tmp_path / "out", told, found, picture)
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(names)
    for name in names:
        if name.endswith(".svg"):
            ElementTree.fromstring((tmp_path / "out" / name).read_text("utf-8"))
    assert len(plotted(found)) == 3


def nothing_overprints(words: list[Words]) -> None:
    boxes = []
    for one in words:
        width = text_width(one.text, one.size, bold=one.bold)
        left = one.x - {"start": 0, "middle": 0.5, "end": 1}[one.anchor] * width
        if not one.turned:
            boxes.append((left, left + width, one.y - 0.7 * one.size, one.y, one.text))
    for index, (left, right, top, bottom, text) in enumerate(boxes):
        for a, b, c, d, other in boxes[:index]:
            assert not (left < b and a < right and top < d and c < bottom), (text, other)


def test_html_and_pdf_say_the_same(slides: tuple[Slide, Slide]) -> None:
    tally = score_pair(*slides, Scorer(cells="nuclei"), 1.0, Box(0, 0, 500, 500))
    found = agreements(tally)
    told = facts(tally, found, {"real": "f" * 32, "notes": ["A note."]})
    text = html(told, found).decode()
    words = {one.text for one in page(told, found, None).marks if isinstance(one, Words)}
    rows = [*region_rows(told), *agreement_rows(found), *origin_rows(told)]
    cells = {cell for row in rows for cell in row if cell}
    assert {cell for cell in cells if f"<td>{escape(cell)}</td>" not in text} == set()
    assert cells - words == set()
    whole = " ".join(words)
    for part in ("A note.", "Only ", "Region: the whole slide.", "taken as aligned"):
        assert part in text
        assert part in whole
    assert "Dice is of positive pixels" in text
    assert "classes divided at: DAB area 1, 10, 33.3, 66.7" in text
    few = next(row for row in agreement_rows(found) if row[1] == "500")
    assert few[3:5] == ("too few to tell", "")


def test_without_tissue_there_is_still_a_page() -> None:
    blank = slide_of(np.full((200, 200, 3), 242, np.uint8), 1.0)
    tally = score_pair(blank, blank, Scorer(cells="none"), 1.0)
    found = agreements(tally)
    told = facts(tally, found, {})
    words = [one.text for one in page(told, found, None).marks if isinstance(one, Words)]
    assert "There is no tissue with a virtual stain here." in words


def test_a_picture_is_marked_and_its_third_panel_is_the_map(slides: tuple[Slide, Slide]) -> None:
    pair = SlidePair(*slides, "ihc", layout_for(*slides))
    told: list[tuple[int, int]] = []
    made = region_picture(
        *slides, pair, Box(100, 50, 300, 400), "VIRTUAL", lambda *done: told.append(done)
    )
    virtual, real, verdicts = made.panels
    assert virtual.shape == real.shape == verdicts.shape == (326, 400, 3)
    assert (virtual[-1, 0] == STRIP_RGB).all()
    assert not (real[-1, 0] == STRIP_RGB).all()
    assert (verdicts[150, 200] == COLOURS[Verdict.COMPARABLE][:3]).all()
    seen = slides[0].read(0, 100, 250, 200, 200)[0]
    np.testing.assert_array_equal(virtual[:200, 200:], seen)
    assert made.whole().shape == (326, 3 * 400 + 16, 3)
    assert told[-1] == (3, 3)
    assert legend_of({})[1][0] == "shifted"
    told_shares = {"comparable": 1.0, "shifted": 0.0}
    assert legend_of(told_shares)[0] == ("comparable 100 %", COLOURS[Verdict.COMPARABLE][:3])

    def stop(_done: int, _total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        region_picture(*slides, pair, None, "VIRTUAL", stop)


def test_of_a_large_region_the_middle_is_shown() -> None:
    slide = stained(2, 4.0)
    pair = SlidePair(slide, slide, "ihc", layout_for(slide, slide))
    made = region_picture(slide, slide, pair, None, "VIRTUAL", lambda *_: None)
    assert made.words == "The middle 2 × 2 mm of the region."
    assert made.panels[0].shape == (526, 500, 3)
    assert MOST_UM == 2000


def test_a_long_mark_is_set_smaller_and_then_broken() -> None:
    rgb = np.zeros((40, 200, 3), np.uint8)
    assert burn_mark(rgb, "VIRTUAL").shape == (66, 200, 3)
    long = burn_mark(rgb, "VIRTUAL Ki-67 · a model of a long name · research use only")
    assert long.shape == (40 + 3 * 26, 200, 3)


def test_svg_is_escaped() -> None:
    assert "&lt;b&gt;" in svg(Drawing(10, 10, (Words(0, 0, "<b>"),)))
