"""Commands and their replies on a link that carries frames at the same time.

    link -> bytes -> Splitter -> REPLY -> the command that waits for it
               |             +-> anything else -> `on_packet` (a capture)
               +-> `on_bytes` (a recording)

One thread: whoever waits, for a reply or for frames, pumps the link for both.

Commands and replies may be lost or damaged, so both are repeated; nothing acts twice for it:

- A command that acts when it is written (`Command.once`) is sent with nothing else under way, and repeated under the
  same number. The board does not execute the number that it executed last, but answers it again.
- All others mean the same however often they are executed, and in any order: no two of one call write one register.
  Several are under way at once, and a repeated one gets a new number, so that no number comes back before 255 others.
- The board may remember any number when a channel begins, and one that is about to come back when many commands were
  given up. Before the next write then goes a READ, alone, which leaves it with a number that this channel knows.

The link keeps the order of what it does not lose, as UART, USB and TCP do.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeray.closing import Closing
from edgeray.errors import CommandRefused, DeviceTimeout
from edgeray.link import Link
from edgeray.protocol.packets import (
    BLOCK_WORDS,
    COMMAND_HEADER,
    REPLY,
    VERSION,
    WRITE_SIZE,
    CommandType,
    PacketType,
    ReplyStatus,
    packet,
)
from edgeray.protocol.registers import BY_NAME
from edgeray.splitter import Packet, Splitter

WINDOW = 8
"""Commands under way at once, to begin with; their replies fit any buffer between."""
TRIES = 3
REPLY_TIMEOUT = 1.0

_WORD_MASK = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Command:
    """READ of a register (`value` None) or WRITE of a 32-bit word to it; `name` is what errors call it.

    With `words`, 1 to BLOCK_WORDS, it is a WRITE_BLOCK of these instead. `once` is for a write that acts, such as a
    trigger: it is executed at most once however often it is repeated.
    """

    name: str
    address: int
    value: int | None = None
    once: bool = False
    words: tuple[int, ...] = ()

    @property
    def type(self) -> CommandType:
        if self.words:
            return CommandType.WRITE_BLOCK
        return CommandType.READ if self.value is None else CommandType.WRITE

    def pack(self, sequence: int) -> bytes:
        """The command as a packet."""
        words = self.words if self.words or self.value is None else (self.value,)
        payload = b"".join((word & _WORD_MASK).to_bytes(WRITE_SIZE, "little") for word in words)
        header = COMMAND_HEADER.pack(
            {
                "generation": 0,
                "last": 1,
                "type": self.type,
                "version": VERSION,
                "sequence": sequence,
                "address": self.address,
                "length": len(payload),
            }
        )
        return packet(header, payload)

    def __str__(self) -> str:
        if self.words:
            return f"write of {len(self.words)} words to {self.name}"
        return f"read of {self.name}" if self.value is None else f"write of {self.value} to {self.name}"


_PROBE = Command("product_id", BY_NAME["product_id"].address)


@dataclass(slots=True)
class _Waiting:
    command: Command
    index: int
    deadline: float


class Channel(Closing):
    """Commands over a link.

    Members
    -------
    splitter : the Splitter in use; replace it (between calls) once the largest payload is known.
    on_packet : takes every packet that is not a reply; None throws them away.
    on_bytes : takes every chunk of bytes as it came.
    window : commands under way at once; halved whenever a reply is missing, since a board on a UART takes no byte while
        its reply waits for a frame to pass.
    """

    def __init__(self, link: Link, *, reply_timeout: float = REPLY_TIMEOUT) -> None:
        self.link, self.reply_timeout = link, reply_timeout
        self.splitter = Splitter()
        self.on_packet: Callable[[Packet], object] | None = None
        self.on_bytes: Callable[[bytes], object] | None = None
        self.window = WINDOW
        self._sequences = itertools.cycle(range(256))
        self._agreed = False
        """Whether no number that the board may remember can come back soon."""
        self._waiting: dict[int, _Waiting] = {}
        self._replies: dict[int, Packet] = {}

    def close(self) -> None:
        """Close the link."""
        self.link.close()

    def pump(self, timeout: float) -> bool:
        """Take what the link has, waiting at most `timeout` seconds for it; False where nothing came.

        LinkError where the link broke.
        """
        chunk = self.link.read_available(max(0.0, timeout))
        if chunk and self.on_bytes is not None:
            self.on_bytes(chunk)
        for one in self.splitter.feed(chunk) if chunk else self.splitter.rescue():
            if one.type == PacketType.REPLY:
                self._reply(one)
            elif self.on_packet is not None:
                self.on_packet(one)
        return bool(chunk)

    def drain(self, quiet: float, limit: float) -> None:
        """Pump until nothing came for `quiet` seconds, at most for `limit` seconds."""
        end = time.monotonic() + limit
        while self.pump(quiet) and time.monotonic() < end:
            pass

    def run(self, commands: Sequence[Command], *, tries: int = TRIES) -> list[int]:
        """Values that the board replied, as unsigned 32-bit words, in the order of `commands`.

        One without a reply is repeated, up to `tries` tries in all. A command that is `once` comes after all before it
        and before all after it; the others come in any order.

        Raises
        ------
        CommandRefused : the board answered with another status than OK.
        DeviceTimeout : a command got no reply in any try.
        LinkError : the link broke.
        """
        if not self._agreed and any(command.type is not CommandType.READ for command in commands):
            self._run([_PROBE], tries)
        return self._run(commands, tries)

    def write_block(self, address: int, words: Sequence[int], *, name: str = "", tries: int = TRIES) -> None:
        """Write any number of 32-bit words to one register, in turn and each once; `name` is what errors call it.

        They go in blocks of BLOCK_WORDS, one after the other, each repeated as in `run`.

        Raises
        ------
        CommandRefused : the register did not take a word; it took those before it, and none after it.
        DeviceTimeout : a block got no reply in any try; those before it were written, of it all words or none.
        LinkError : the link broke.
        """
        blocks = (tuple(words[at : at + BLOCK_WORDS]) for at in range(0, len(words), BLOCK_WORDS))
        called = name or f"register {address:#x}"
        self.run([Command(called, address, words=block, once=True) for block in blocks], tries=tries)

    def _run(self, commands: Sequence[Command], tries: int) -> list[int]:
        results: dict[int, int] = {}
        queue, attempts = deque(range(len(commands))), [0] * len(commands)
        # Numbers of commands that have to keep theirs.
        numbers: dict[int, int] = {}
        self._waiting.clear()
        try:
            while len(results) < len(commands):
                self._send(commands, queue, attempts, numbers)
                now = time.monotonic()
                self.pump(min(waiting.deadline for waiting in self._waiting.values()) - now)
                for sequence, reply in self._replies.items():
                    waiting = self._waiting.pop(sequence)
                    results[waiting.index] = self._value(waiting.command, reply)
                self._replies.clear()
                now = time.monotonic()
                expired = [number for number, one in self._waiting.items() if one.deadline <= now]
                if expired:
                    self.window = max(1, self.window // 2)
                for sequence in reversed(expired):
                    waiting = self._waiting.pop(sequence)
                    if attempts[waiting.index] >= tries:
                        self._agreed = False
                        raise DeviceTimeout(
                            f"no reply to the {waiting.command} in {tries} tries; is the board running?",
                            tries * self.reply_timeout,
                        )
                    queue.appendleft(waiting.index)
        finally:
            self._waiting.clear()
            self._replies.clear()
        self._agreed = True
        return [results[index] for index in range(len(commands))]

    def _send(
        self, commands: Sequence[Command], queue: deque[int], attempts: list[int], numbers: dict[int, int]
    ) -> None:
        """Send what may be under way with what is."""
        deadline, data = time.monotonic() + self.reply_timeout, b""
        while queue and len(self._waiting) < self.window:
            command = commands[queue[0]]
            if self._waiting and (command.once or any(one.command.once for one in self._waiting.values())):
                break
            index = queue.popleft()
            sequence = numbers[index] if index in numbers else self._next_sequence()
            if command.once:
                numbers[index] = sequence
            attempts[index] += 1
            self._waiting[sequence] = _Waiting(command, index, deadline)
            data += command.pack(sequence)
        if data:
            self.link.write(data)

    def _next_sequence(self) -> int:
        # One that waits for its time-out while hundreds of others are answered.
        return next(number for number in self._sequences if number not in self._waiting)

    def _reply(self, reply: Packet) -> None:
        waiting = self._waiting.get(reply.sequence)
        if waiting is None or waiting.command.address != reply.address or len(reply.payload) != REPLY.size:
            # A reply that came after its command had been given up.
            return
        self._replies[reply.sequence] = reply

    @staticmethod
    def _value(command: Command, reply: Packet) -> int:
        fields = REPLY.unpack(reply.payload)
        if fields["status"] != ReplyStatus.OK:
            known = fields["status"] in list(ReplyStatus)
            status = ReplyStatus(fields["status"]).name.lower().replace("_", " ") if known else fields["status"]
            left = f"it took the first {fields['value']}" if command.words else f"the register holds {fields['value']}"
            raise CommandRefused(f"the board refused the {command}: {status}; {left}")
        return fields["value"]
