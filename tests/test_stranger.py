"""The specification page is enough: a decoder written from it alone reads every golden vector."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests import stranger
from tests.test_vectors import FROM_BOARD, TO_BOARD, vector


@pytest.mark.parametrize("name", FROM_BOARD)
def test_stranger(name: str) -> None:
    stream, expected = vector(name)
    found = stranger.decode(stream)
    for part in ("metas", "frames", "counts"):
        assert found[part] == expected[part]
    assert found["replies"] == expected.get("replies", [])


@pytest.mark.parametrize("name", TO_BOARD)
def test_stranger_reads_commands(name: str) -> None:
    stream, expected = vector(name)
    found = [
        {
            "type": kind,
            "sequence": sequence,
            "address": address,
            "words": [int.from_bytes(payload[at : at + 4], "little") for at in range(0, len(payload), 4)],
        }
        for kind, _, _, sequence, address, payload in stranger.packets(stream, Counter())
        if len(payload) % 4 == 0 and len(payload) <= 256
    ]
    assert found == expected["commands"]


def test_stranger_knows_the_page_alone() -> None:
    tree = ast.parse(Path(stranger.__file__).read_text(encoding="utf-8"))
    imported = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)}
    assert imported == {"import zlib", "from collections.abc import Iterator", "from typing import Any"}
