"""A board made of a socket and a thread: it answers commands and sends frames as the protocol says.

Its switches make it lose, refuse, hang or vanish.
"""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pytest

from edgeray.channel import Command
from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import COMMAND_HEADER, REPLY, VERSION, CommandType, PacketType, ReplyStatus, packet
from edgeray.protocol.registers import (
    BY_NAME,
    PRODUCT_ID,
    PROTOCOL_VERSION,
    REGISTERS,
    Access,
    Register,
    register_map_hash,
)
from edgeray.splitter import Packet, Splitter
from tests.host_streams import frame_packets, meta_packet

DETECTOR = Detector(rows=16, columns=8)
SEED = 77
THRESHOLD = 2000


def picture(image_id: int) -> npt.NDArray[np.int64]:
    """int64[16, 8]: kernel responses of a frame, 0 where not kept."""
    values = np.random.default_rng([SEED, image_id]).integers(-4095, 4095, (16, 8))
    return np.where(np.abs(values) >= THRESHOLD, values, 0)


class FakeBoard(threading.Thread):
    """Serves one client after the other until stopped.

    Switches: `lose_replies` drops the reply to the n-th of the commands from now on; `lose_commands` ignores it;
    `dropped` are frames lost on the chip, `swallowed` those lost on the link; `mute` answers nothing more; `hang_at`
    and `vanish_at` stop sending, or close the link, before that frame.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.registers = {one.address + i: one.reset for one in REGISTERS for i in range(one.count)}
        geometry = {"detector_rows": 16, "detector_columns": 8, "guard_ring": 1, "sample_bits": 12, "kernel_size": 3}
        constants = {"product_id": PRODUCT_ID, "protocol_version": PROTOCOL_VERSION, "tick_rate": 24_000_000}
        for name, value in {**geometry, **constants, "register_map_hash": register_map_hash()}.items():
            self.put(name, value)
        self.correction: dict[int, int] = {}
        self.uploaded: dict[int, int] = {}
        self.log: list[Command] = []
        self.lose_replies: set[int] = set()
        self.lose_commands: set[int] = set()
        self.dropped: set[int] = set()
        self.swallowed: set[int] = set()
        self.hang_at = self.vanish_at = -1
        self.mute = False
        self.commands = self.image_id = self.generation = 0
        self.last: int | None = None
        """Number of the command executed last; a write that has it is a repetition, and only answered."""
        self.outcome: tuple[int, int] = ReplyStatus.OK, 0
        """Status and value that the command executed last was answered with."""
        self.armed = self.stopping = False
        self.packets(0)  # compiles the golden model now, and not while a reply is waited for
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.05)
        self.url = f"socket://127.0.0.1:{self.listener.getsockname()[1]}"

    def put(self, name: str, value: int) -> None:
        self.registers[BY_NAME[name].address] = value

    def get(self, name: str) -> int:
        return self.registers[BY_NAME[name].address]

    def writes(self, name: str) -> int:
        return sum(one.name == name and one.value is not None for one in self.log)

    def run(self) -> None:
        with self.listener:
            while not self.stopping:
                with contextlib.suppress(TimeoutError):
                    client = self.listener.accept()[0]
                    with client, contextlib.suppress(OSError):
                        self.serve(client)

    def serve(self, client: socket.socket) -> None:
        client.settimeout(0.0005)
        splitter = Splitter()
        while not self.stopping:
            with contextlib.suppress(TimeoutError):
                data = client.recv(4096)
                if not data:
                    return
                for one in splitter.feed(data):
                    reply = self.answer(one)
                    if reply and not self.mute:
                        client.sendall(reply)
            client.settimeout(0.0005)
            if self.armed and self.image_id != self.hang_at:
                if self.image_id == self.vanish_at:
                    return
                # sendall under the short time-out might cut a packet.
                client.settimeout(5)
                client.sendall(self.next_frame())
                client.settimeout(0.0005)
            self.put("state", int(self.armed))

    def next_frame(self) -> bytes:
        number, self.image_id = self.image_id, self.image_id + 1
        self.put("triggered", self.image_id)
        if self.image_id == self.get("nimages"):
            self.armed = False
        if number in self.dropped:
            self.put("dropped", self.get("dropped") + 1)
            return b""
        return b"" if number in self.swallowed else self.packets(number)

    def packets(self, number: int) -> bytes:
        """Frame `number` of the series, with META before every fourth."""
        generation = self.generation % 4
        packets = frame_packets(
            DETECTOR, number, picture(number), threshold=THRESHOLD, generation=generation, log2_rows=3
        )
        if number % 4 == 0:
            dropped = self.get("dropped")
            told = {"edge_threshold": THRESHOLD, "dropped": dropped}
            packets.insert(0, meta_packet(DETECTOR, number, generation=generation, **told))
        return b"".join(packets)

    def answer(self, one: Packet) -> bytes | None:
        self.commands += 1
        if self.commands in self.lose_commands:
            return None
        words = [word for (word,) in struct.iter_unpack("<I", one.payload)]
        if not words or one.sequence != self.last:
            self.last, self.outcome = one.sequence, self.execute(one, words)
        if self.commands in self.lose_replies:
            return None
        return self.reply(one, *self.outcome)

    def execute(self, one: Packet, words: list[int]) -> tuple[int, int]:
        """Status and value of the reply."""
        named = next((r for r in REGISTERS if r.address <= one.address < r.address + r.count), None)
        if named is None or (named.name == "kernel_weights" and one.address - named.address >= DETECTOR.kernel_size**2):
            return ReplyStatus.UNKNOWN_ADDRESS, 0
        block = one.type == CommandType.WRITE_BLOCK
        value = None if block or not words else words[0]
        self.log.append(Command(named.name, one.address, value, words=tuple(words) if block else ()))
        status = ReplyStatus.OK
        for number, word in enumerate(words):
            status = self.put_in(named, one.address, word)
            if block and status != ReplyStatus.OK:
                return status, number
        return status, len(words) if block else self.registers.get(one.address, 0) & 0xFFFF_FFFF

    def put_in(self, named: Register, address: int, word: int) -> ReplyStatus:
        """Write to a register."""
        value = word - (1 << 32) if named.signed and word >> 31 else word
        if named.access in (Access.CONSTANT, Access.STATUS):
            return ReplyStatus.READ_ONLY
        if not named.accepts(value):
            return ReplyStatus.VALUE_REFUSED
        if named.access is Access.PULSE:
            self.pulse(named.name, value)
        else:
            self.registers[address] = value
        return ReplyStatus.OK

    @staticmethod
    def reply(one: Packet, status: int, value: int) -> bytes:
        payload = REPLY.pack({"status": status, "value": value})
        fields = {"generation": 0, "last": 1, "type": PacketType.REPLY, "version": VERSION, "length": len(payload)}
        return packet(COMMAND_HEADER.pack({**fields, "sequence": one.sequence, "address": one.address}), payload)

    def pulse(self, name: str, value: int) -> None:
        table = {"correction_data": self.correction, "upload_data": self.uploaded}.get(name)
        if table is not None:
            index = self.get("table_index")
            table[index] = value
            self.put("table_index", index + 1)
            return
        self.generation += bool(value & 8)
        if value & 1:
            self.armed, self.image_id = True, 0
            self.put("triggered", 0)
            self.put("dropped", 0)
        if value & 2:
            self.armed = False
        self.put("state", int(self.armed))


Board = TypeVar("Board", bound=FakeBoard)


@contextlib.contextmanager
def served(one: Board) -> Iterator[Board]:
    """`one`, serving until the end of the `with` block."""
    one.start()
    try:
        yield one
    finally:
        one.stopping = True
        one.join(5)
    assert not one.is_alive()


def within(seconds: float, call: Callable[[], object], error: type[Exception], text: str) -> None:
    begin = time.monotonic()
    with pytest.raises(error, match=text):
        call()
    assert time.monotonic() - begin < seconds
