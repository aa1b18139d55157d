"""The link itself, without a board: pseudo-terminal, a port that cannot be waited on, and what an import costs."""

import os
import pty
import subprocess
import sys

import edgeray
from edgeray.link import Link
from tests.fake_board import within


def test_link_over_a_pseudo_terminal() -> None:
    """All 256 byte values pass unchanged both ways, and the end of the other side is an error."""
    master, slave = pty.openpty()
    try:
        with Link(os.ttyname(slave)) as link:
            within(2, lambda: Link(link.url), edgeray.NoDeviceError, "another program has the port open")
            os.write(master, bytes(range(256)))
            data = b""
            while len(data) < 256 and (more := link.read_available(2.0)):
                data += more
            assert data == bytes(range(256))
            assert link.read_available(0.01) == b""
            link.write(bytes(range(256)))
            assert os.read(master, 1000) == bytes(range(256))
            os.close(slave)
            os.close(master)
            master = slave = -1
            within(2, lambda: link.read_available(1.0), edgeray.LinkError, "broke while reading")
    finally:
        for one in (master, slave):
            if one >= 0:
                os.close(one)


def test_link_without_a_file_descriptor() -> None:
    with Link("loop://") as link:
        assert link.read_available(0.01) == b""
        link.write(b"abc")
        assert link.read_available(1.0) == b"abc"


def test_import_stays_light() -> None:
    code = "import sys, edgeray; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    foreign = set(names.stdout.split()) - set(sys.stdlib_module_names) - {"__main__"}
    # site-packages may start editable-install hooks of their own.
    assert {name for name in foreign if not name.startswith("_")} == {"edgeray", "numpy", "serial"}
