from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from make import ArraySource, tissue

from napari_virtual_ihc.errors import MissingScaleError, NotBrightfieldError, SlideError
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.slides.source import CACHE_BYTES, ChunkCache, ChunkSource, scales_of

IMAGE = tissue(300, 420)


def slide(**options) -> Slide:
    return Slide("a.svs", ArraySource(IMAGE, levels=3), **{"mpp": 0.5, **options})


def test_region_reads_the_coarsest_level_that_is_fine_enough() -> None:
    one = slide()
    one.region(10, 10, 8, 8, 1.99)
    assert one.source.reads[-1][0] == 1
    one.region(10, 10, 8, 8, 2.0)
    assert one.source.reads[-1][0] == 2
    one.region(10, 10, 8, 8, 0.2)
    assert one.source.reads[-1][0] == 0


def test_level_of_the_same_scale_is_copied() -> None:
    one = slide()
    got = one.region(10.0, 20.0, 12, 14, 1.0).pixels
    np.testing.assert_array_equal(got, one.source.images[1][10:22, 20:34])


def test_scale_is_asked_for_never_guessed() -> None:
    one = slide(mpp=None)
    with pytest.raises(MissingScaleError, match=r"a\.svs does not state its scale"):
        one.region(0, 0, 4, 4, 1.0)
    with pytest.raises(MissingScaleError):
        _ = one.size_um
    rgb, mpp = one.thumbnail(100)
    assert rgb.shape == (71, 100, 3)
    assert mpp is None
    assert one.with_mpp(0.5).region(0, 0, 4, 4, 1.0).pixels.shape == (4, 4, 3)


@pytest.mark.parametrize("mpp", [0.0, -1.0, float("nan"), float("inf")])
def test_no_scale_is_refused(mpp: float) -> None:
    with pytest.raises(SlideError, match="no scale"):
        slide(mpp=mpp)
    with pytest.raises(SlideError, match="no scale"):
        slide().region(0, 0, 4, 4, mpp)


def test_contradicting_scale_is_used_and_said() -> None:
    other = slide().with_mpp(0.25)
    assert other.mpp == 0.25
    assert "states 0.5 µm/px; 0.25 is used" in other.notes[0]
    assert slide().with_mpp(0.501).notes == ()


def test_empty_region_is_refused() -> None:
    with pytest.raises(SlideError, match="holds nothing"):
        slide().region(0, 0, 0, 5, 1.0)


def test_levels_are_lazy_and_named_by_content() -> None:
    one, again = slide(), slide()
    other = Slide("b", ArraySource(tissue(300, 420, seed=1), levels=3), 0.5)
    assert [level.name for level in one.levels] == [level.name for level in again.levels]
    assert one.levels[0].name != other.levels[0].name
    reads = len(one.source.reads)
    window = one.levels[0][100:140, 30:90, 1]
    assert len(one.source.reads) == reads
    np.testing.assert_array_equal(np.asarray(window), IMAGE[100:140, 30:90, 1])


def test_tiny_tiles_are_joined() -> None:
    assert slide().levels[0].chunksize == (300, 420, 3)
    big = Slide("big", ArraySource(np.full((1300, 700, 3), 200, np.uint8)), 0.5)
    assert big.levels[0].chunks[0] == (512, 512, 276)


def test_fingerprint_is_of_content_not_of_name_or_scale() -> None:
    one = slide()
    assert one.fingerprint == slide(mpp=0.25).with_mpp(0.3).fingerprint
    assert one.fingerprint == Slide("other", ArraySource(IMAGE, levels=3)).fingerprint
    changed = IMAGE.copy()
    changed[37, 52] ^= 1
    assert one.fingerprint != Slide("a.svs", ArraySource(changed, levels=3)).fingerprint
    assert one.fingerprint != Slide("a.svs", ArraySource(IMAGE, levels=2)).fingerprint


def test_unreadable_pixels_take_the_colour_of_glass_and_are_invalid() -> None:
    image = IMAGE.copy()
    image[:, :150] = (240, 236, 238)
    bad = np.zeros(image.shape[:2], np.bool_)
    bad[64:128, 200:264] = True
    one = Slide("a", ArraySource(image, bad), 0.5)
    pixels, valid = one.region(0, 0, 300, 420, 0.5)
    assert one.background == (240, 236, 238)
    np.testing.assert_array_equal(valid, ~bad)
    assert (pixels[bad] == (240, 236, 238)).all()
    assert (np.asarray(one.levels[0])[bad] == (240, 236, 238)).all()


def test_dark_background_is_refused_at_the_first_read() -> None:
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 9, (300, 420, 3)).astype(np.uint8)
    dark[100:140, 100:160, 2] = 240
    one = Slide("dapi.ndpi", ArraySource(dark), 0.5)
    for read in (
        lambda: one.region(0, 0, 5, 5, 0.5),
        lambda: one.thumbnail(50),
        one.check,
        lambda: np.asarray(one.levels[0][:5]),
    ):
        with pytest.raises(NotBrightfieldError, match=r"dapi\.ndpi has a dark background"):
            read()


def test_black_padding_of_a_brightfield_slide_is_no_dark_background() -> None:
    padded = IMAGE.copy()
    padded[:, :300] = 0
    assert Slide("padded", ArraySource(padded), 0.5).check() == ()


def test_ihc_is_noticed() -> None:
    brown = 242 * 10.0 ** -(np.clip(tissue(300, 420)[..., :1] < 215, 0, 1) * (0.2, 0.42, 0.58))
    one = Slide("her2.svs", ArraySource(brown.astype(np.uint8)), 0.5)
    assert one.check() == ("her2.svs looks like IHC, not H&E.",)
    assert slide().check() == ()


def test_thumbnail_states_its_scale() -> None:
    rgb, mpp = slide().thumbnail(105)
    assert rgb.shape == (75, 105, 3)
    assert mpp == pytest.approx(2.0)


def test_scales_are_whole_where_the_rounding_of_shapes_allows() -> None:
    assert scales_of(((2967, 2220), (1483, 1110), (742, 555))) == (1.0, 2.0, 4.0)
    assert scales_of(((10000, 8000), (3000, 2400)))[1] == pytest.approx(10 / 3)


class CountingSource(ChunkSource):
    def __init__(self, cache_bytes: int = CACHE_BYTES) -> None:
        super().__init__(((500, 500),), ((100, 100),), cache_bytes)
        self.decoded: list[tuple[int, int]] = []

    def decode(self, level, row, col):
        self.decoded.append((row, col))
        if (row, col) == (2, 2):
            return None
        return np.full((100, 100, 3), 10 * row + col, np.uint8), np.ones((100, 100), np.bool_)


def test_neighbouring_reads_decode_a_tile_once() -> None:
    source = CountingSource()
    source.read(0, 0, 0, 150, 150)
    source.read(0, 50, 50, 150, 150)
    assert sorted(source.decoded) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_broken_tile_is_masked_and_its_neighbours_are_not() -> None:
    pixels, valid = CountingSource().read(0, 150, 150, 200, 200)
    assert not valid[50:150, 50:150].any()
    assert valid.sum() == 200 * 200 - 100 * 100
    assert (pixels[:50, :50] == 11).all()


def test_tile_cache_is_bounded_in_bytes() -> None:
    cache = ChunkCache(limit=3 * 40_000)
    for col in range(9):
        cache.put((0, 0, col), (np.zeros((100, 100, 3), np.uint8), np.ones((100, 100), np.bool_)))
    held = [col for col in range(9) if cache.get((0, 0, col))[0]]
    assert held == [6, 7, 8]


def test_slide_goes_to_another_process() -> None:
    one = slide()
    again = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(
        again.region(3, 4, 20, 20, 0.7).pixels, one.region(3, 4, 20, 20, 0.7).pixels
    )


def test_threads_that_want_the_same_tile_decode_it_once() -> None:
    source = CountingSource()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: source.read(0, 0, 0, 500, 500), range(16)))
    assert len(source.decoded) == 25
