"""A machine made of folders: serial ports with their files in /sys, /dev, /proc and /etc/udev, for tests."""

from pathlib import Path

from serial.tools.list_ports_common import ListPortInfo

from edgeray.ports import Machine

FT2232H, FT231X, CP2102 = (0x0403, 0x6010), (0x0403, 0x6015), (0x10C4, 0xEA60)


class FakeMachine:
    """Ports are plugged in by `plug`; `machine` is what edgeray takes in the place of the real one.

    closed : names of ports that this process may not open.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.found = root, list[ListPortInfo]()
        self.closed: set[str] = set()
        self.tools: dict[str, str] = {}
        for folder in ("sys", "dev", "proc", "udev"):
            (root / folder).mkdir()
        self.machine = Machine(
            sys=root / "sys",
            dev=root / "dev",
            proc=root / "proc",
            udev=(root / "udev",),
            listed=lambda: self.found,
            may_open=lambda path: path.name not in self.closed,
            which=self.tools.get,
        )

    def plug(
        self,
        name: str,
        ids: tuple[int, int],
        product: str = "",
        *,
        interface: int | None = None,
        mode: int = 0o660,
        latency: int | None = None,
        serial: str = "A1",
    ) -> str:
        """Plug a port in; returns what to open."""
        path = self.root / "dev" / name
        path.touch()
        path.chmod(mode)
        info = ListPortInfo(str(path))
        info.vid, info.pid = ids
        info.product, info.manufacturer, info.serial_number = product, "maker", serial
        info.location = "3-1" if interface is None else f"3-1:1.{interface}"
        info.apply_usb_info()
        self.found.append(info)
        if latency is not None:
            timer = self.root / "sys" / "bus" / "usb-serial" / "devices" / name / "latency_timer"
            timer.parent.mkdir(parents=True)
            timer.write_text(f"{latency}\n")
        return str(path)

    def run(self, pid: int, name: str, *opened: str) -> None:
        """A process, and the files that it has open."""
        folder = self.root / "proc" / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(f"{name}\n")
        for number, path in enumerate(opened):
            (folder / "fd" / str(number)).symlink_to(path)

    def rule(self, text: str) -> None:
        (self.root / "udev" / "70-edgeray.rules").write_text(text)
