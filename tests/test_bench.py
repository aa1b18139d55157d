"""The benchmark's own arithmetic: what is counted, what is skipped, and what a ratio is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boards.report import critical_path
from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import OVERHEAD, meta_payload_size
from edgeray.protocol.settings import Settings
from sim.bench import events, peers
from sim.bench.figures import Figure, geometric_mean
from sim.bench.scenes import Size, folder_images, responses, tiles, whole
from sim.bench.wire import Row, series_packets


def row(*columns: int, width: int = 64) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """A mask of one row with these columns kept."""
    mask = np.zeros((1, width), np.bool_)
    mask[0, list(columns)] = True
    return mask


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (row(), 0),
        (row(5), 1 + 1),  # ADDR_Y, ADDR_X
        (row(5, 40), 1 + 2),  # too far apart for a vector
        (row(5, 16), 1 + 2),  # two single events are as short as base and VECT_12
        (row(5, 7, 16), 1 + 2),  # base, VECT_12
        (row(5, 7, 17), 1 + 3),  # the third is the thirteenth pixel
        (row(*range(20)), 1 + 3),  # base, VECT_12 twice
        (row(*range(25)), 1 + 4),
        (np.vstack((row(5), row(), row(7))), 2 + 2),  # no ADDR_Y for an empty row
    ],
)
def test_evt3_takes_the_fewest_words(mask: np.ndarray[Any, np.dtype[np.bool_]], words: int) -> None:
    assert events.evt3_words(mask) == words + 2  # and the two time words
    assert len(events.evt3_bytes(mask)) == 2 * (words + 2)


def test_evt3_of_a_camera_goes_by_groups_and_polarity() -> None:
    none = row()
    assert events.evt3_camera_words(row(30, 31, 33), none) == 2 + 1 + 4 + 1  # a base and three vectors, ADDR_X
    assert events.evt3_camera_words(row(0, 11), none) == 2 + 1 + 2
    assert events.evt3_camera_words(row(0, 12), none) == 2 + 1 + 3
    assert events.evt3_camera_words(row(0, 23), none) == 2 + 1 + 3
    assert events.evt3_camera_words(row(0, 24), none) == 2 + 1 + 4
    assert events.evt3_camera_words(row(0), row(1)) == 2 + 1 + 2  # both polarities share ADDR_Y


def test_evt3_decoder_reads_the_same_events() -> None:
    evt3 = pytest.importorskip("evt3")
    rng = np.random.default_rng(3)
    for share in (0.02, 0.3, 0.9):
        mask = rng.random((40, 83)) < share
        decoded = evt3.decode_bytes(events.evt3_bytes(mask), 83, 40)
        image = np.zeros(mask.shape, np.bool_)
        image[decoded.y, decoded.x] = True
        assert len(decoded) == mask.sum()
        assert np.array_equal(image, mask)


def test_event_formats_charge_address_and_value() -> None:
    kept = np.zeros((2, 32, 32), np.bool_)
    kept[0, 3, 4] = kept[1, 5, 6] = True
    values = np.where(kept, -7, 0).astype(np.int16)
    assert peers.naive_bits(kept, 8) == 2 * (10 + 9)
    assert peers.bitmap_bits(kept, 8) == 2048 + 2 * 9
    assert peers.evt3_bits(values, kept, 8) == 2 * (4 * 16 + 8)  # the sign is the polarity


def test_codecs_see_responses_without_the_gap_under_the_threshold() -> None:
    values = np.array([[[0, 16, -16, 17, -19]]], np.int16)
    found = peers.mappings(values, 16, 12)
    assert found["offset"].tolist() == [[[128, 129, 127, 130, 124]]]
    assert found["zigzag"].tolist() == [[[0, 2, 1, 4, 7]]]
    assert {each.dtype for each in found.values()} == {np.dtype(np.uint8)}
    wide = peers.mappings(np.array([[[0, 200]]], np.int16), 1, 12)
    assert [each.dtype for each in wide.values()] == [np.uint16, np.uint16]


def test_ratios_come_from_bits() -> None:
    one = Row("x", Size.LARGE, 8, 1, pixels=1000, kept=250, bits=1500, peers={"PNG": 2000})
    assert one.bits_per_pixel == 1.5
    assert one.to_kept == 1500 / (250 * 8)
    assert one.to_peer("PNG") == 0.75


def test_mean_is_geometric() -> None:
    assert geometric_mean([0.5, 2.0, 8.0]) == pytest.approx(2.0)
    with pytest.raises(ValueError, match="at least one"):
        geometric_mean([])


def test_target_knows_its_direction() -> None:
    assert Figure("smaller", 0.9, 1.0).met
    assert not Figure("faster", 0.9, 1.0, at_most=False).met


def test_damaged_image_is_named_and_skipped(tmp_path: Path) -> None:
    np.save(tmp_path / "good.npy", np.arange(600).reshape(20, 30))
    np.save(tmp_path / "long.npy", np.zeros((4, 5000), np.uint8))
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    said: list[str] = []
    found = {name: image.shape for name, image in folder_images(tmp_path, said.append)}
    assert found == {"good": (20, 30), "long": (4, 4096)}
    assert len(said) == 2
    assert "damaged.png" in said[0]
    assert "long.npy" in said[1]


def test_bands_of_a_large_image_fit_together() -> None:
    """A response at a band's border needs the rows of the next band."""
    image = np.random.default_rng(5).integers(0, 256, (600, 9))
    scene = whole("x", image, 8)
    in_one, _ = responses(scene.pixels[:, 200:300], Detector(rows=100, columns=9, guard_ring=0, sample_bits=8))
    in_bands, _ = responses(scene.pixels, scene.detector)
    assert np.array_equal(in_bands[0, 201:299], in_one[0, 1:-1])


def test_every_sixteenth_small_frame_pays_for_meta() -> None:
    scene = tiles("x", np.random.default_rng(6).integers(0, 200, (32 * 5, 32 * 4)), 8)
    settings = scene.settings(1)
    values, kept = scene.edges(1)
    lengths = [
        len(series_packets(values[:count], kept[:count], detector=scene.detector, settings=settings))
        for count in range(18)
    ]
    steps = np.diff(lengths)
    alone = [
        len(
            series_packets(
                values[index : index + 1], kept[index : index + 1], detector=scene.detector, settings=settings
            )
        )
        for index in range(17)
    ]
    meta = OVERHEAD + meta_payload_size(3)
    assert [a - b for a, b in zip(alone, steps, strict=True)] == [0, *[meta] * 15, 0]
    assert Settings().meta_period == scene.meta_period  # what a board does unless told otherwise


def test_critical_path_is_the_longest_between_registers() -> None:
    def step(delay: float, start: str, end: str) -> dict[str, Any]:
        return {"delay": delay, "from": {"cell": start}, "to": {"cell": end}}

    report = {
        "critical_paths": [
            {"from": "<async>", "to": "posedge clk", "path": [step(99, "pin", "pin")]},
            {"from": "posedge clk", "to": "posedge clk", "path": [step(1, "core.a", "core.a")]},
            {
                "from": "posedge clk",
                "to": "posedge clk",
                "path": [
                    step(1.5, "core.code.A_SB_DFF_Q", "core.code.A_SB_DFF_Q"),
                    step(2, "core.code.A_SB_DFF_Q", "core.code.$signal$4_SB_LUT4_O_LC"),
                    step(1, "core.code.$signal$4_SB_LUT4_O_LC", "core.pack.fill_TRELLIS_FF_Q"),
                ],
            },
        ]
    }
    assert critical_path(report) == [("code.A", 1.5), ("code", 3.5), ("pack.fill", 4.5)]
