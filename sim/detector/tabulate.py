"""Makes the shipped spectra: `python -m sim.detector.tabulate`, with the extra `spectra` installed.

spekpy -> [tabulate] -> tables/w_*kvp.csv -> spectrum.tube
"""

import sys
from importlib.metadata import version

from sim.detector.errors import DetectorError
from sim.detector.spectrum import TABLES, calculate

KILOVOLTS = 40, 50, 70, 100, 120


def main() -> int:
    """0, or 1 where spekpy is missing."""
    try:
        for kilovolts in KILOVOLTS:
            spectrum = calculate(kilovolts)
            head = (
                f"# Tungsten, {kilovolts} kV, anode 12 degrees, no filter: spekpy {version('spekpy')}, 1 mAs at 1 m.\n"
                "# python -m sim.detector.tabulate\n# energy_kev (middle of the bin),photons_mm2 (in the bin)\n"
            )
            rows = zip(spectrum.energy_kev, spectrum.photons_mm2, strict=True)
            lines = "".join(f"{energy:g},{photons:.5g}\n" for energy, photons in rows)
            (TABLES / f"w_{kilovolts}kvp.csv").write_text(head + lines, encoding="utf-8")
    except DetectorError as error:
        print(f"tabulate: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
