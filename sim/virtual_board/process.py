"""Starts a virtual board in a process of its own, shows it scenes and ends it: for demo, tests and benchmarks."""

import re
import selectors
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
import numpy.typing as npt

from hdl.params import Params
from sim.virtual_board.build import CACHE, build
from sim.virtual_board.samples import encode

START_SECONDS = 10.0
END_SECONDS = 5.0
_SUMMARY = re.compile(r"simulated (\d+) clocks in ([\d.]+) s .*, (\d+) frames")


class BoardError(RuntimeError):
    """The virtual board did not start, ended with an error, or refused a scene; says why."""


@dataclass(frozen=True)
class Summary:
    """What a virtual board did: `clocks` simulated in `seconds` of computing, `frames` exposed."""

    clocks: int
    seconds: float
    frames: int


class VirtualBoard:
    """A virtual board that runs inside a `with` block.

    Parameters
    ----------
    params : of the gateware.
    samples : scene at the start, uint16[images, 2, rows, columns] in codes (see `sim.roic`); frame n shows image
        n % images. None: dark.
    port : of the link on 127.0.0.1; 0 takes any free one.
    terminal : serve a pseudo-terminal instead of a port.
    keep : serve the next client when one has gone, instead of ending.
    cache, say : see `build`.

    Attributes
    ----------
    url : where a host connects to: socket://127.0.0.1:port, or the path of the pseudo-terminal.
    pid : of the process.
    summary : what it did; None until it has ended, and where it ended with an error.

    Raises
    ------
    BuildError : from `build`, on entry.
    BoardError : on entry: it did not start, such as for a port in use.
    """

    url: str
    pid: int
    summary: Summary | None = None

    def __init__(
        self,
        params: Params,
        samples: npt.NDArray[np.uint16] | None = None,
        *,
        port: int = 0,
        terminal: bool = False,
        keep: bool = False,
        cache: Path = CACHE,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._params, self._samples, self._cache, self._say = params, samples, cache, say
        self._arguments = ["--port", str(port), "--end-with-input"]
        self._arguments += ["--pty"] * terminal + ["--keep"] * keep
        self._scene_port = 0

    def __enter__(self) -> "VirtualBoard":
        program = build(self._params, self._cache, self._say)
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        # The board ends when its standard input does: should this process die, none stays behind.
        self._process = subprocess.Popen(
            [program, *self._arguments], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )
        self.pid = self._process.pid
        try:
            self.url = self._line("link")
            self._scene_port = int(self._line("scenes").rpartition(":")[2])
            if self._samples is not None:
                self.show(self._samples)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def show(self, samples: npt.NDArray[np.uint16]) -> None:
        """Shows `samples`, uint16[images, 2, rows, columns] in codes, from the next reset strobe on.

        Raises BoardError where the board refuses them (the scene before stays), ValueError for a wrong shape or type.
        """
        data = encode(samples)
        try:
            with socket.create_connection(("127.0.0.1", self._scene_port), timeout=START_SECONDS) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                with connection.makefile() as answers:
                    answer = answers.readline().strip()
        except OSError as error:
            raise BoardError(f"the virtual board did not take the scene: {error}") from None
        if answer != "ok":
            raise BoardError(f"the virtual board refused the scene: {answer or 'no answer'}")

    def wait(self, seconds: float) -> int | None:
        """Exit code when the board ends by itself within `seconds`, else None."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def _line(self, word: str) -> str:
        """The rest of the board's next line, which starts with `word`; BoardError where none comes."""
        output = self._process.stdout
        assert output is not None
        text = b""
        deadline = time.monotonic() + START_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while not text.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise BoardError(f"the virtual board did not start within {START_SECONDS:g} s")
                byte = output.read(1)
                if not byte:
                    self._process.wait(END_SECONDS)
                    raise BoardError(self._said() or "the virtual board ended at once")
                text += byte
        begin, _, rest = text.decode().strip().partition(" ")
        if begin != word:
            raise BoardError(f"the virtual board said {text.decode().strip()!r} where {word!r} was due")
        return rest

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip()

    def _end(self) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        found = _SUMMARY.search(process.stdout.read().decode())
        if found:
            self.summary = Summary(int(found[1]), float(found[2]), int(found[3]))
        process.stdout.close()
        self._errors.close()
