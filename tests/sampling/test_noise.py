"""The noise field: published bits, a normal distribution, and the same bytes in any tiling."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.sampling.noise import START, NoiseField, normal, philox


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0,) * 4, (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF, 0xFFFFFFFF),
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_bits_are_the_published_ones(counter, key, expected) -> None:
    words = philox(tuple(torch.tensor([word]) for word in counter), key)
    assert tuple(int(word) for word in words) == expected


def test_numbers_are_standard_normal_and_independent() -> None:
    noise = NoiseField.of(0, "slide", 0.5).draw(299, -100, 40, 400, 300).double()
    for channel in noise:
        assert stats.kstest(channel.flatten().numpy(), "norm").pvalue > 1e-3
    assert noise.std().item() == pytest.approx(1, abs=0.005)
    flat = noise.flatten(1)
    assert (torch.corrcoef(flat) - torch.eye(3)).abs().max() < 0.015
    for shifted in (noise[:, 1:, :] * noise[:, :-1, :], noise[:, :, 1:] * noise[:, :, :-1]):
        assert shifted.mean().abs() < 0.01


def test_quantiles_are_exact_in_the_middle_and_in_the_tails() -> None:
    words = torch.tensor([0, 1, 70_000, 1 << 20, 1 << 31, (1 << 32) - 1])
    expected = stats.norm.ppf((words.double() + 0.5).numpy() / 2**32)
    assert normal(words).tolist() == pytest.approx(expected.tolist(), abs=0.02)
    middle = torch.arange(1 << 24, (1 << 32) - (1 << 24), 9_999_991)
    exact = torch.from_numpy(stats.norm.ppf((middle.double() + 0.5).numpy() / 2**32))
    torch.testing.assert_close(normal(middle).double(), exact, rtol=0, atol=2e-5)
    assert normal(torch.tensor([0])).isfinite().all()


@settings(max_examples=40, deadline=None)
@given(
    y=st.integers(-300, 100_000),
    x=st.integers(-300, 100_000),
    h=st.integers(1, 40),
    w=st.integers(1, 40),
    down=st.integers(0, 39),
    right=st.integers(0, 39),
    step=st.integers(0, 999),
)
def test_a_part_of_a_window_has_the_bytes_of_the_window(
    y: int, x: int, h: int, w: int, down: int, right: int, step: int
) -> None:
    field = NoiseField.of(3, "f00d", 0.25)
    down, right = min(down, h - 1), min(right, w - 1)
    whole = field.draw(step, y, x, h, w)
    part = field.draw(step, y + down, x + right, h - down, w - right)
    assert torch.equal(part, whole[:, down:, right:])


def test_seed_slide_scale_step_and_stream_each_make_another_field() -> None:
    fields = [
        NoiseField.of(*of) for of in ((0, "a", 0.5), (1, "a", 0.5), (0, "b", 0.5), (0, "a", 1.0))
    ]
    drawn = [field.draw(5, 0, 0, 16, 16) for field in fields]
    drawn += [fields[0].draw(6, 0, 0, 16, 16), fields[0].draw(5, 0, 0, 16, 16, stream=START)]
    for n, one in enumerate(drawn):
        for other in drawn[:n]:
            assert not (one == other).any()
    assert torch.equal(NoiseField.of(0, "a", 0.5).draw(5, 0, 0, 16, 16), drawn[0])


def test_five_channels_are_refused() -> None:
    with pytest.raises(UsageError, match="up to 4 channels"):
        NoiseField(0).draw(0, 0, 0, 2, 2, channels=5)
