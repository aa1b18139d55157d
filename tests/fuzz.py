"""`python -m tests.fuzz decoder|command [libFuzzer's options] [folders of inputs]`: fuzzing, guided by coverage.

inputs -> atheris: mutate, mend (lengths, CRCs) -> tests.fuzz_NAME.check

An input that fails is left where -artifact_prefix says. Put into tests/vectors/found as decoder-WHAT.bin or
command-WHAT.bin, it is checked in every run of the tests; the bench of the command parser reads those for it too.
"""

import importlib
import sys
from random import Random
from typing import Any

MEND = 4
"""In so many mutants of five."""


def main(arguments: list[str]) -> int:
    """Fuzz until an option of libFuzzer's ends it, which also ends the process; 2 where the name is missing."""
    if not arguments or arguments[0] not in ("decoder", "command"):
        print("usage: python -m tests.fuzz decoder|command [options] [folders]", file=sys.stderr)
        return 2
    import atheris

    # The fast core is compiled, so that atheris does not see into it; what it is compared with it sees.
    from edgeray.core import fast

    fast()
    for name in [name for name in sys.modules if name.startswith("edgeray") and name != "edgeray.fast"]:
        del sys.modules[name]
    with atheris.instrument_imports(include=["edgeray", "sim"], exclude=["edgeray.fast"]):
        target: Any = importlib.import_module(f"tests.fuzz_{arguments[0]}")

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        mutant = bytes(atheris.Mutate(data, most))
        return bytes(target.mend(mutant, random))[:most] if random.randrange(5) < MEND else mutant

    def check(data: bytes) -> None:
        target.check(data)

    options = [f"-max_len={target.LONGEST}", *arguments[1:]]
    atheris.Setup([sys.argv[0], *options], check, custom_mutator=mutated)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
