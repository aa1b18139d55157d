"""Fuzzing of decoder and command parser: what it once found is right, and in `make test-slow` it finds nothing more."""

import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

from tests import fuzz_command, fuzz_decoder

VECTORS = Path(__file__).parent / "vectors"
FUZZED = Path(__file__).parent.parent / "build" / "fuzz"
SECONDS = 60
CHECKS: dict[str, Callable[[bytes], None]] = {"decoder": fuzz_decoder.check, "command": fuzz_command.check}
MENDS: dict[str, Callable[[bytes, Random], bytes]] = {"decoder": fuzz_decoder.mend, "command": fuzz_command.mend}


def inputs(name: str) -> list[Path]:
    """The golden vectors for it, and what fuzzing found."""
    paths = sorted(VECTORS.glob("*.bin")) + sorted((VECTORS / "found").glob(f"{name}-*.bin"))
    assert len(paths) > 10
    return paths


@pytest.mark.parametrize("name", CHECKS)
def test_vectors_and_findings(name: str) -> None:
    for path in inputs(name):
        try:
            CHECKS[name](path.read_bytes())
        except BaseException as error:
            error.add_note(path.name)
            raise


@pytest.mark.parametrize("name", CHECKS)
def test_a_few_mutants(name: str) -> None:
    """So that the checks themselves are run where atheris is not."""
    random = Random(1)
    paths = inputs(name)
    for number in range(300):
        data = bytearray(random.choice(paths).read_bytes()[:600])
        for _ in range(random.randint(1, 6)):
            data[random.randrange(len(data))] = random.randrange(256)
        mended = MENDS[name](bytes(data), random)
        try:
            CHECKS[name](mended)
        except BaseException as error:
            error.add_note(f"mutant {number}: {mended.hex()}")
            raise


@pytest.mark.slow
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed (the extra `fuzz`)")
@pytest.mark.parametrize("name", CHECKS)
def test_fuzzing_finds_nothing(name: str) -> None:
    folder = FUZZED / name
    for one in ("corpus", "seeds"):
        (folder / one).mkdir(parents=True, exist_ok=True)
    for path in inputs(name):
        (folder / "seeds" / path.name).write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "tests.fuzz", name, f"-max_total_time={SECONDS}", "-timeout=30",
               f"-artifact_prefix={folder}/", str(folder / "corpus"), str(folder / "seeds")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=10 * SECONDS, cwd=FUZZED.parent.parent)
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{said[-3000:]}\nkeep the input as tests/vectors/found/{name}-WHAT.bin"
    runs = re.search(r"Done (\d+) runs", said)
    covered = re.findall(r"cov: (\d+)", said)
    assert runs is not None, said[-3000:]
    print(f"{name}: {runs[1]} inputs, {covered[-1]} places of the code reached, nothing found")
    assert int(runs[1]) > 100
    assert int(covered[-1]) > 50, "the code is not instrumented"
