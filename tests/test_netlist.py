"""Netlists of a board in the bench of its pins: they are the design, and one that is not is found out."""

from typing import Any

import pytest

from boards.known import BOARDS
from testbench import netlist
from testbench.runner import Outcome, builds, prepare_environment, prepare_runtime, run

BENCH = "board"
MODELS = netlist.models_of(BOARDS["icebreaker"])


def _cell(kind: str, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]], **attributes: str) -> dict[str, Any]:
    return {
        "type": kind,
        "attributes": attributes,
        "parameters": {"LUT_INIT": "0000000000001010"},
        "port_directions": dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output"),
        "connections": inputs | outputs,
    }


def _netlist(**cells: dict[str, Any]) -> dict[str, Any]:
    return {"modules": {"top": {"cells": cells}}}


def test_unconnected_inputs_get_the_level_of_the_part() -> None:
    design = _netlist(lc=_cell("ICESTORM_LC", {"I0": [7], "I1": [], "CEN": []}, {"O": [8], "COUT": []}))
    netlist.connect(design, MODELS)
    there = design["modules"]["top"]["cells"]["lc"]["connections"]
    assert there == {"I0": [7], "I1": ["0"], "CEN": ["1"], "O": [8], "COUT": []}


def test_global_nets_get_their_source() -> None:
    gate: dict[str, list[int]] = {"USER_SIGNAL_TO_GLOBAL_BUFFER": []}
    cells = {
        "pll_PLL": _cell("ICESTORM_PLL", {}, {"PLLOUT_A_GLOBAL": []}, BEL_PAD_INPUT="X1/Y2/io0"),
        "pin": _cell("SB_IO", {}, {"GLOBAL_BUFFER_OUTPUT": []}, NEXTPNR_BEL="X1/Y2/io0"),
        "$gbuf_pll_pllout_a": _cell("SB_GB", dict(gate), {"GLOBAL_BUFFER_OUTPUT": [2]}, FOR_PAD_IN="1"),
        "$gbuf_pin_io": _cell("SB_GB", dict(gate), {"GLOBAL_BUFFER_OUTPUT": [3]}, FOR_PAD_IN="1"),
    }
    netlist.connect(_netlist(**cells), MODELS)
    wires = {name: cell["connections"] for name, cell in cells.items()}
    assert wires["$gbuf_pll_pllout_a"]["USER_SIGNAL_TO_GLOBAL_BUFFER"] == wires["pll_PLL"]["PLLOUT_A_GLOBAL"]
    assert wires["$gbuf_pin_io"]["USER_SIGNAL_TO_GLOBAL_BUFFER"] == wires["pin"]["GLOBAL_BUFFER_OUTPUT"]
    assert wires["pll_PLL"]["PACKAGEPIN"] == wires["pin"]["D_IN_0"]
    # The input that the PLL does not use is there all the same, and low.
    assert wires["pll_PLL"].pop("REFERENCECLK") == ["0"]
    nets = [bit for bits in (wires["pll_PLL"], wires["pin"]) for port in bits.values() for bit in port]
    assert len(set(nets)) == 3


def test_change_turns_one_table() -> None:
    design = _netlist(
        **{
            name: _cell("SB_LUT4", {"I0": [1]}, {"O": [2]})
            for name in ("scan.a_LUT4", "convolve.a_DFF", "convolve.b_LUT4", "convolve.c_LUT4")
        }
    )
    assert netlist.change(design, "convolve") == "convolve.b_LUT4"
    tables = {name: cell["parameters"]["LUT_INIT"] for name, cell in design["modules"]["top"]["cells"].items()}
    assert tables.pop("convolve.b_LUT4") == "1111111111110101"
    assert set(tables.values()) == {"0000000000001010"}


def _run(label: str) -> Outcome:
    prepare_environment()
    prepare_runtime(waves=False)
    labels = [build.label for build in builds(BENCH)]
    return run(BENCH, labels.index(label))


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["synthesised", "routed"])
def test_netlist_is_the_design(stage: str) -> None:
    outcome = _run(f"icebreaker {stage}")
    assert outcome.passed, outcome.failures
    assert outcome.figures.frames > 0
    assert outcome.figures.mismatches == 0


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["synthesised", "routed"])
def test_changed_lut_is_caught(stage: str) -> None:
    """One LUT of the netlist says the opposite of what it should: the bench runs, and fails."""
    outcome = _run(f"changed icebreaker {stage}")
    assert outcome.tests > 0
    assert outcome.failures
