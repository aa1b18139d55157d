"""A page of results: figures beside the numbers that they should have, pictures, tables; one file, pictures inside.

findings of sim.paper or sim.explore -> [page] -> index.html, one PNG a picture
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATE = "page.html"


@dataclass(frozen=True)
class Finding:
    """A figure beside the paper's.

    Parameters
    ----------
    name : what it is, and of what.
    ours : value, in `unit`.
    paper : the paper's, in the same unit; None where it has none.
    unit : printed behind both.
    depends : what the paper does not give and `ours` hangs on; empty where the figure is firm.
    tolerance : part of the paper's value that a firm figure may be off.
    digits : significant ones; a whole number has all of its own.
    """

    name: str
    ours: float
    paper: float | None = None
    unit: str = ""
    depends: str = ""
    tolerance: float = 0.01
    digits: int = 3

    @property
    def deviation(self) -> float | None:
        """(ours - paper) / paper; None where there is nothing to compare with."""
        return self.ours / self.paper - 1 if self.paper else None

    @property
    def agrees(self) -> bool | None:
        """Whether a firm figure is the paper's; None where it hangs on what the paper does not give, or has no peer."""
        if self.depends or self.deviation is None:
            return None
        return abs(self.deviation) <= self.tolerance

    def shown(self, value: float) -> str:
        """A value with its unit."""
        if isinstance(value, int):
            return f"{value:,} {self.unit}".replace(",", " ").strip()
        # As many digits as asked for, without the exponent that %g would make of a large number.
        whole = 10**self.digits <= abs(value) < 1e9
        text = f"{value:,.0f}".replace(",", " ") if whole else f"{value:#.{self.digits}g}".rstrip(".")
        return f"{text} {self.unit}".strip()


@dataclass(frozen=True)
class Picture:
    """A PNG: the name of its file without suffix, its bytes, what is to be seen."""

    name: str
    png: bytes
    caption: str

    @property
    def source(self) -> str:
        """The picture as an address that holds it."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Rows:
    """A table: its heading, its columns, its rows of text."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Part:
    """A section of the page.

    Parameters
    ----------
    title : of the section.
    text : paragraphs: what was done, and what the result hangs on.
    """

    title: str
    text: Sequence[str]
    findings: Sequence[Finding] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Rows] = field(default=())


def save_page(folder: Path, title: str, introduction: Sequence[str], parts: Sequence[Part]) -> Path:
    """Write `folder`/index.html, which needs no other file, and every picture beside it; returns its path.

    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    text = environment.get_template(TEMPLATE).render(
        title=title, introduction=introduction, parts=parts, made=made, has_paper=_has_paper(parts)
    )
    for part in parts:
        for picture in part.pictures:
            (folder / f"{picture.name}.png").write_bytes(picture.png)
    path = folder / "index.html"
    path.write_text(text, encoding="utf-8")
    return path


def _has_paper(parts: Sequence[Part]) -> bool:
    return any(finding.paper is not None for part in parts for finding in part.findings)
