"""`python -m sim.materials`: the report (`make materials`), predictions, rankings, checks of a table.

    python -m sim.materials                                       # the report, out/materials/index.html
    python -m sim.materials predict 'Cs2AgBiBr6'
    python -m sim.materials rank '{Cs,MA,FA}Pb{I,Br,Cl}3' --target band_gap_ev --near 2.0
    python -m sim.materials check my-detectors.csv
    python -m sim.materials record '(PEA)2PbI4' -o mine.toml      # for make explore MATERIAL=mine.toml

Exit status: 0, 1 what was asked for cannot be done, 2 wrong usage.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from edgeray.errors import EdgerayError
from sim.command import ended
from sim.materials.features import TARGETS
from sim.materials.predict import Estimate, Forecaster, forecaster, is_fitted
from sim.materials.published import find, tables
from sim.materials.rank import SPACE, expand, rank
from sim.materials.schema import HEADINGS, read


def report(options: argparse.Namespace, console: Console) -> None:
    """Write the report."""
    from sim.materials.report import write  # draws pictures

    given = tables(options.data, options.gaps, options.lattices)
    options.out.mkdir(parents=True, exist_ok=True)
    page = write(options.out, given, console.print)
    console.print(f"{page}")


def predict(options: argparse.Namespace, console: Console) -> None:
    """What the models say of a formula, beside what is published."""
    found = _forecaster(options).predict(options.formula)
    published = {
        key: [value for device in find(options.formula, options.data) if (value := getattr(device, key)) is not None]
        for key in found.targets
    }
    if options.json:
        print(json.dumps({**asdict(found), "published": published}))
        return
    table = Table("", "predicted", "90 % interval", "published", "model", title=found.formula, box=None)
    for key, one in found.targets.items():
        target, known = TARGETS[key], sorted(published[key])
        ends = f"{known[0]:.3g}" + (f" to {known[-1]:.3g} ({len(known)})" if len(known) > 1 else "") if known else ""
        worth = one.model if one.better_than_mean else f"{one.model}: no better than the mean"
        table.add_row(f"{target.title} ({target.unit})", f"{one.value:.3g}", _ends(one), ends, worth)
    console.print(table)
    console.print(f"nearest known: {', '.join(found.nearest)}")
    for reason in found.outside_domain:
        console.print(f"outside of what was learnt from: {reason}", style="yellow")


def ranking(options: argparse.Namespace, console: Console) -> None:
    """Compositions in the order of a predicted target."""
    formulas = expand(options.formulas or SPACE)
    ranked = rank(_forecaster(options), options.target, formulas, options.near)
    if options.json:
        print(json.dumps(asdict(ranked)))
        return
    target = TARGETS[ranked.key]
    table = Table("", f"{target.title} ({target.unit})", "90 % interval", "", "", box=None)
    for one in ranked.candidates[: options.top]:
        outside = "outside of what was learnt from" if one.outside_domain else ""
        known = "published" if one.published else ""
        table.add_row(one.formula, f"{one.estimate.value:.3g}", _ends(one.estimate), known, outside)
    console.print(table)
    console.print(f"{ranked.tied} of {len(ranked.candidates)} have an interval that reaches the first one's value")
    if not ranked.worth:
        console.print("the model is no better than the mean: this order says nothing about crystals", style="yellow")


def check(options: argparse.Namespace, console: Console) -> None:
    """Read a table as the models would, and say what is in it."""
    devices = read(options.file)
    filled = {headings[0]: sum(getattr(one, key) is not None for one in devices) for key, headings in HEADINGS.items()}
    remarks = [remark for one in devices for remark in one.remarks]
    materials = len({one.material for one in devices if one.composition is not None})
    unread = [f"row {one.row} ({one.perovskite})" for one in devices if one.composition is None]
    if options.json:
        found = {"rows": len(devices), "materials": materials, "without_formula": unread}
        print(json.dumps({**found, "filled": filled, "remarks": remarks}))
        return
    console.print(f"{options.file}: {len(devices)} rows, {materials} materials with a formula")
    console.print(", ".join(f"{name} {count}" for name, count in filled.items() if count))
    for text in remarks:
        console.print(text, style="yellow")
    if unread:
        console.print(f"no formula can be read in {len(unread)} rows: {', '.join(unread[:10])}")


def record(options: argparse.Namespace, console: Console) -> None:
    """The crystal as a record of the detector twin."""
    from sim.materials.record import resolve, warnings, write  # loads attenuation tables

    material = resolve(options.formula, options.data)
    values = {key: {"value": getattr(material, key), "source": text} for key, text in material.sources.items()}
    if options.out is not None:
        write(material, options.out)
    if options.json:
        print(json.dumps({"name": material.name, "formula": material.formula, "values": values,
                          "warnings": warnings(material), "file": options.out and str(options.out)}))  # fmt: skip
        return
    table = Table("", "", "source", title=f"{material.name}: {material.formula}", box=None)
    for key, one in values.items():
        table.add_row(key, f"{one['value']:.4g}", one["source"])
    console.print(table)
    for text in warnings(material):
        console.print(text, style="yellow")
    if options.out is not None:
        console.print(f"{options.out}")


def _forecaster(options: argparse.Namespace) -> Forecaster:
    given = (options.data, options.gaps, options.lattices)
    if not is_fitted(*given):
        print("models are being fitted to these tables, once, which takes a minute ...", file=sys.stderr)
    return forecaster(*given)


def _ends(one: Estimate) -> str:
    return f"{one.low:.3g} to {one.high:.3g}"


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 and what is wrong."""
    parser = _parser()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, "report")
    options = parser.parse_args(given)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    return ended("materials", lambda: VERBS[options.verb](options, console), failures=(EdgerayError,))


VERBS: dict[str, Any] = {"report": report, "predict": predict, "rank": ranking, "check": check, "record": record}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sim.materials", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    found = {
        "report": verbs.add_parser("report", help="the report (also without a verb)"),
        "predict": verbs.add_parser("predict", help="what a formula lets expect"),
        "rank": verbs.add_parser("rank", help="compositions by a predicted target"),
        "check": verbs.add_parser("check", help="read a table and say what is wrong or unlikely in it"),
        "record": verbs.add_parser("record", help="a crystal as the detector twin's record of it"),
    }
    for name in ("report", "predict", "rank", "record"):
        found[name].add_argument("--data", type=Path, help="a CSV file of further detectors (docs/materials.md)")
    for name in ("report", "predict", "rank"):
        found[name].add_argument("--gaps", type=Path, help="a CSV file of further band gaps")
        found[name].add_argument("--lattices", type=Path, help="a CSV file of unit cells")
    for name in ("predict", "rank", "check", "record"):
        found[name].add_argument("--json", action="store_true", help="one JSON document on standard output")
    found["report"].add_argument("--out", type=Path, default=Path("out/materials"), help="folder (out/materials)")
    for name in ("predict", "record"):
        found[name].add_argument("formula", help="such as MAPbI3, (C8H12N)2PbI4, or a published name")
    found["record"].add_argument("--out", "-o", type=Path, help="the TOML file to write")
    found["rank"].add_argument("formulas", nargs="*", help="formulas, or patterns such as '{Cs,MA}Pb{Br,I}3'")
    found["rank"].add_argument("--target", choices=list(TARGETS), default="band_gap_ev", help="(band_gap_ev)")
    found["rank"].add_argument("--near", type=float, help="the wanted value (the greatest, of a limit the least)")
    found["rank"].add_argument("--top", type=int, default=20, help="how many to show (20)")
    found["check"].add_argument("file", type=Path, help="the CSV file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
