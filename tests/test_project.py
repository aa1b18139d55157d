"""Rules of the house: who may import whom, generated pages are current, every build elaborates."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from amaranth.back import rtlil

from edgeray.protocol import reference
from edgeray.protocol.detector import GeometryError
from edgeray.protocol.packets import MAX_PAYLOAD, Crc8, crc8, meta_payload_size
from hdl.params import Params
from hdl.readout import Readout, SerialReadout
from sim.specification.page import page as specification

ROOT = Path(__file__).parent.parent
OURS = {"edgeray", "hdl", "sim", "testbench", "boards", "tests"}
# Folder -> the packages of ours that its files may import, itself included.
ALLOWED = {
    "host/edgeray": {"edgeray"},
    "host/edgeray/protocol": {"edgeray.protocol"},
    "hdl": {"hdl", "edgeray.protocol"},
    "boards": {"boards", "hdl", "edgeray.protocol", "edgeray.programmer"},
    "sim": {"sim", "edgeray"},
    "sim/golden": {"sim.golden", "edgeray"},
    "sim/virtual_board": {"sim", "edgeray", "hdl", "boards"},
    "sim/bench": {"sim", "edgeray", "hdl", "boards"},
    "testbench": {"testbench", "hdl", "sim", "edgeray", "boards"},
}
# These start a virtual board, whose build is described by hdl.params.
EXCEPTIONS = {(f"sim/{file}.py", "hdl.params") for file in ("demo", "explore/__main__", "paper/twin_on_board")}


def imports(path: Path) -> Iterator[str]:
    """Modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield node.module or ""


def violations(folder: str) -> list[str]:
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        relative = path.relative_to(ROOT).as_posix()
        nearest = max((each for each in ALLOWED if relative.startswith(each + "/")), key=len)
        for module in imports(path):
            inside = any(module == each or module.startswith(each + ".") for each in ALLOWED[nearest])
            if module.partition(".")[0] in OURS and not inside and (relative, module) not in EXCEPTIONS:
                found.append(f"{relative} imports {module}")
    return found


@pytest.mark.parametrize("folder", ["host/edgeray", "hdl", "sim", "testbench", "boards"])
def test_imports_follow_the_house_rules(folder: str) -> None:
    assert violations(folder) == []


def test_library_imports_little() -> None:
    """`import edgeray` must not bring a plotting, gateware or file library along."""
    code = "import sys, edgeray; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    heavy = {"amaranth", "cocotb", "scipy", "matplotlib", "PIL", "pydicom", "tifffile", "rich", "numba", "hdl", "sim"}
    heavy |= {"h5py", "pydantic", "typer", "asyncio", "jinja2"}
    assert not heavy & set(ran.stdout.split())


@pytest.mark.parametrize(("name", "page"), [("reference.md", reference.page), ("wire-format.md", specification)])
def test_generated_pages_are_current(name: str, page: Callable[[], str]) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert text == page(), f"docs/{name} is not current: run `make docs`"


@pytest.mark.parametrize(
    "params",
    [
        Params(),
        Params(multipliers=1),
        Params(kernel_size=5, multipliers=3),
        Params(rows=1, columns=4, guard_ring=0, adc_latency=0),
        Params(rows=8, columns=4096, sample_bits=14),
        Params(rows=70, columns=33, guard_ring=2, sample_bits=8),
    ],
    ids=lambda params: f"{params.rows}x{params.columns}-{params.kernel_size}-{params.multipliers}",
)
@pytest.mark.parametrize("top", [Readout, SerialReadout])
def test_every_size_elaborates(params: Params, top: type) -> None:
    assert "module \\top" in rtlil.convert(top(params))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"rows": 0}, "rows"),
        ({"columns": 3}, "columns"),
        ({"sample_bits": 15}, "sample_bits"),
        ({"kernel_size": 4}, "kernel_size"),
        ({"multipliers": 10}, "multipliers"),
        ({"rows": 4, "guard_ring": 2}, "guard_ring"),
        ({"buffer_bytes": 3000}, "buffer_bytes"),
        ({"byte_clocks": 3}, "byte_clocks"),
        ({"rows": 32.0}, "rows"),
    ],
)
def test_impossible_parameters_are_refused_by_name(values: dict[str, int], named: str) -> None:
    with pytest.raises(GeometryError, match=named):
        Params(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("audit", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 31, 32, 33, 500])
def test_buffer_holds_a_frame_whatever_its_pixels(rows: int, audit: bool) -> None:
    """Each packet's code and its values at fixed width stand in the buffer together."""
    params = Params(rows=rows, columns=300, guard_ring=0, audit=audit)
    passes = 2 if audit else 1
    payloads = [
        params.payload_bytes(min(params.rows_per_packet, rows - row)) for row in range(0, rows, params.rows_per_packet)
    ]
    assert len(payloads) == params.packets
    assert params.buffer_bytes >= meta_payload_size(params.kernel_size) + passes * 2 * sum(payloads)
    assert max(payloads) <= params.packet_bytes <= MAX_PAYLOAD


def test_a_buffer_under_a_frame_is_refused() -> None:
    with pytest.raises(GeometryError, match="buffer_bytes"):
        Params(buffer_bytes=4096)
    assert Params(buffer_bytes=4096, audit=False).buffer_bytes == 4096


def test_crc8_is_the_catalogue_one() -> None:
    """The check value of CRC-8/AUTOSAR over the digits 1 to 9, from the catalogue of parametrised CRC algorithms."""
    assert crc8(b"123456789") == 0xDF
    assert Crc8().table()[1] == 0x2F
