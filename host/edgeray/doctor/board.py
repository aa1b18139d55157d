"""The board itself: does it answer, in our language, with a clock that is right and a link that loses nothing?"""

import time
from collections.abc import Iterator

from edgeray.bit_error import BitErrors, ErrorRate, bit_error_test
from edgeray.channel import Channel, Command
from edgeray.device import Device
from edgeray.doctor.check import Check, Status
from edgeray.errors import CommandRefused, DeviceTimeout, EdgerayError, LinkError, NoDeviceError, VersionMismatch
from edgeray.identity import identify
from edgeray.information import Information, information
from edgeray.link import DEFAULT_BAUDRATE, Link
from edgeray.protocol.registers import BY_NAME, PRODUCT_ID

BAUDRATES = (3_000_000, 2_000_000, 12_000_000, 4_000_000, 1_500_000, 921_600, 500_000, 460_800, 230_400, 115_200)
"""Tried where a board does not answer at the default."""
BAUD_TOLERANCE = 0.02
"""Of a UART with 8 bits: half a bit after ten, less some for edges."""
PATIENCE = 0.5
"""Seconds that one try of a command waits: a reply behind a frame at 1 Mbaud comes in a tenth of that."""
CLOCK_TOLERANCE = 0.01
CLOCK_SECONDS = 0.5
TOO_MANY = 1e-6
"""Wrong bits a bit at which one in a hundred raw frames is damaged."""

HANDSHAKE = ("opens", "answers", "product id", "protocol version", "register map", "detector")
AFTERWARDS = ("baud rate", "clock", "counters", "link", "frames")
_PRODUCT = Command("product_id", BY_NAME["product_id"].address)
_GATEWARE = "program the gateware of this edgeray: `edgeray program BITSTREAM --board NAME`; or install its edgeray"
_CABLE = "another cable, a shorter one, a port of the machine instead of a hub; then a lower baud rate (uart_divisor)"


def checks(url: str, *, is_serial: bool, seconds: float) -> Iterator[Check]:
    """Open the board, and everything that can be asked of it; `seconds` is the time of the link test, 0 leaves it out.

    is_serial : a real port, with a baud rate and a board behind it whose clock is a crystal's.
    """
    try:
        device = Device(url, reply_timeout=PATIENCE)
    except EdgerayError as error:
        yield from _unopened(url, error)
        yield from _skipped(AFTERWARDS, "no board to ask")
        return
    names = (*HANDSHAKE, *AFTERWARDS)
    done = 0
    with device:
        try:
            for check in _asked(device, is_serial=is_serial, seconds=seconds):
                yield check
                done += 1
        except EdgerayError as error:
            yield from _lost(error, names[done:])


def _asked(device: Device, *, is_serial: bool, seconds: float) -> Iterator[Check]:
    """All checks of a board that answers, in the order of HANDSHAKE and AFTERWARDS."""
    told = information(device)
    yield from _handshake(told)
    yield _baud_rate(told, is_serial=is_serial)
    yield _clock(device, is_serial=is_serial)
    yield _counters(told)
    if not seconds:
        yield from _skipped(("link", "frames"), "no time was given to the link test")
        return
    found = bit_error_test(device, seconds)
    yield _link(found)
    yield _frames(found)


def _lost(error: EdgerayError, names: tuple[str, ...]) -> Iterator[Check]:
    """The board went away in the first of the checks `names`."""
    fix = "look at cable and power; where it happens again, the link loses too much to work with"
    yield Check(names[0], Status.FAIL, str(error), fix, error)
    yield from _skipped(names[1:], "the board was lost")


def _skipped(names: tuple[str, ...], why: str) -> Iterator[Check]:
    for name in names:
        yield Check(name, Status.SKIPPED, why)


def _handshake(told: Information) -> Iterator[Check]:
    one, detector = told.identity, told.identity.detector
    found = (
        told.url,
        f"up for {told.uptime:.1f} s",
        f"{PRODUCT_ID:#010x}",
        str(one.protocol_version),
        f"{one.register_map_hash:#010x}",
        f"{detector.rows} x {detector.columns} pixels of {detector.sample_bits} bits, {one.tick_rate / 1e6:g} MHz",
    )
    for name, text in zip(HANDSHAKE, found, strict=True):
        yield Check(name, Status.OK, text)


def _unopened(url: str, error: EdgerayError) -> Iterator[Check]:
    """The checks of the handshake, where it failed with `error`."""
    if isinstance(error, VersionMismatch):
        failed = {"protocol version": "protocol version", "register map": "register map"}.get(error.what, "answers")
        yield from _until(failed, Check(failed, Status.FAIL, str(error), _GATEWARE, error))
        return
    try:
        link = Link(url)
    except EdgerayError as again:
        virtual = "start the board's server; a virtual board: `python -m sim.virtual_board --port 5000 --keep`"
        fix = virtual if "://" in url else "`edgeray devices` lists serial ports, and who has them open"
        yield from _until("opens", Check("opens", Status.FAIL, str(again), fix, again))
        return
    with link:
        yield from _diagnosis(url, link, error)


def _diagnosis(url: str, link: Link, error: EdgerayError) -> Iterator[Check]:
    """A port that opens, and no board of ours behind it, as `error` says: what is there?"""
    channel = Channel(link, reply_timeout=PATIENCE)
    try:
        (product,) = channel.run([_PRODUCT])
    except (DeviceTimeout, CommandRefused, LinkError):
        link.close()
        yield from _until("answers", _mute(url, channel.splitter.counts.bytes_skipped, error))
        return
    if product != PRODUCT_ID:
        fix = "this is another device: `edgeray devices` lists the ports; or load the bitstream: `edgeray program`"
        yield from _until("product id", Check("product id", Status.FAIL, str(error), fix, error))
        return
    try:
        identify(channel, url)
    except NoDeviceError as again:
        yield from _until("detector", Check("detector", Status.FAIL, str(again), _GATEWARE, again))
    except EdgerayError as again:
        yield from _until("answers", Check("answers", Status.FAIL, f"only sometimes: {again}", _CABLE, again))
    else:
        yield from _until(
            "answers", Check("answers", Status.FAIL, f"at the second time; before, {error}", _CABLE, error)
        )


def _mute(url: str, skipped: int, error: EdgerayError) -> Check:
    """Nothing answers at the default baud rate; a board answers at another one if its divisor was changed."""
    if "://" not in url:
        for baudrate in BAUDRATES:
            if _answers(url, baudrate):
                found = f"at {baudrate} baud, not at {DEFAULT_BAUDRATE}: its register uart_divisor was changed"
                fix = f"reset the board; or from Python: edgeray.open({url!r}, baudrate={baudrate})"
                return Check("answers", Status.FAIL, found, fix, error)
    found = "nothing that edgeray understands"
    if skipped:
        found += f"; {skipped} bytes came that are no packets: another baud rate, or another device"
    if "://" in url:
        fix = "is another program connected? A virtual board serves one at a time; end that, or start the board again"
    else:
        fix = (
            "is it the board's link, and not its programming port? Is its bitstream loaded? `edgeray program BITSTREAM "
            "--board NAME`; then unplug the board and plug it in again"
        )
    return Check("answers", Status.FAIL, found, fix, error)


def _answers(url: str, baudrate: int) -> bool:
    try:
        with Link(url, baudrate=baudrate) as link:
            Channel(link, reply_timeout=PATIENCE / 4).run([_PRODUCT], tries=2)
    except EdgerayError:
        return False
    return True


def _until(name: str, failed: Check) -> Iterator[Check]:
    """The checks of the handshake: good before `name`, then `failed`, skipped after it."""
    at = HANDSHAKE.index(name)
    for before in HANDSHAKE[:at]:
        yield Check(before, Status.OK, "yes")
    yield failed
    yield from _skipped(HANDSHAKE[at + 1 :], f"after the failure of: {name}")


def _baud_rate(told: Information, *, is_serial: bool) -> Check:
    found = f"{told.baudrate:.0f} baud, {told.uart_divisor} ticks a bit"
    if not is_serial:
        return Check("baud rate", Status.SKIPPED, f"{found}, which means nothing to this link")
    off = told.baudrate / DEFAULT_BAUDRATE - 1
    found += f": {off:+.2%} off"
    if abs(off) <= BAUD_TOLERANCE:
        return Check("baud rate", Status.OK, found)
    return Check("baud rate", Status.WARN, f"{found}, which is too much for a UART", "reset the board")


def _clock(device: Device, *, is_serial: bool) -> Check:
    """Ticks against the host's clock; what is read between two moments is taken for their middle."""
    first, begin, doubt = _moment(device)
    time.sleep(CLOCK_SECONDS)
    last, end, doubt_too = _moment(device)
    if last == first:
        found = f"stands still: {first} ticks before and after {end - begin:.2f} s"
        fix = "reset the board; where it stays so, its PLL does not run: load the bitstream again"
        return Check("clock", Status.FAIL if is_serial else Status.WARN, found, fix)
    off = (last - first) / (end - begin) / device.tick_rate - 1
    doubt = (doubt + doubt_too) / (end - begin)
    found = f"{off:+.2%} off its {device.tick_rate} Hz, by this machine's clock, to within {doubt:.2%}"
    if abs(off) <= CLOCK_TOLERANCE + doubt:
        return Check("clock", Status.OK, found)
    if not is_serial:
        return Check("clock", Status.SKIPPED, f"{found}: a virtual board's runs as fast as it is computed")
    return Check("clock", Status.FAIL, found, "times are wrong: is this the bitstream of another board?")


def _moment(device: Device) -> tuple[int, float, float]:
    """Ticks; when that was, in seconds of the host; half of how long the answer took."""
    device.read("product_id")  # the first command of a batch waits longer
    before = time.monotonic()
    now = device.ticks()
    after = time.monotonic()
    return now, (before + after) / 2, (after - before) / 2


def _counters(told: Information) -> Check:
    counts = told.counters
    if counts.command_errors:
        full = BY_NAME["command_errors"].maximum
        many = "at least " * (counts.command_errors == full) + str(counts.command_errors)
        fix = "noise on the link, or another program wrote to it (ModemManager?); the count goes back with a reset"
        return Check("counters", Status.WARN, f"{many} commands thrown away since reset", fix)
    clipped = {
        name.replace("_", " "): value
        for name in ("railed", "pga_saturated", "correction_saturated", "convolution_saturated")
        if (value := getattr(counts, name))
    }
    if clipped:
        text = ", ".join(f"{name} {value}" for name, value in clipped.items())
        fix = "pixels were clipped: shorten count_time, or lower pga_gain; with no detector connected nothing is wrong"
        return Check("counters", Status.WARN, f"in the latest series: {text}", fix)
    return Check(
        "counters", Status.OK, f"no command thrown away, no pixel clipped; {counts.triggered} frames triggered"
    )


def _rate(rate: ErrorRate) -> str:
    if not rate.damaged:
        return f"{rate.bits} bits, none wrong: under {rate.upper:.1e} wrong bits a bit (95 %)"
    low, high = rate.interval()
    return f"{rate.estimate:.1e} wrong bits a bit ({low:.1e} to {high:.1e}, 95 %)"


def _judged(name: str, rate: ErrorRate, found: str, wrong: int) -> Check:
    if wrong:
        found += f"; {wrong} values came intact, and wrong"
        return Check(name, Status.FAIL, found, "the board itself is at fault, not the link: `edgeray selftest`")
    if not rate.damaged:
        return Check(name, Status.OK, found)
    return Check(name, Status.FAIL if rate.estimate >= TOO_MANY else Status.WARN, found, _CABLE)


def _link(found: BitErrors) -> Check:
    words = found.words
    text = (
        f"{words.units} words there and back, {words.damaged} lost; {_rate(words)}; "
        f"reply after {found.latency * 1e3:.1f} ms (worst {found.worst_latency * 1e3:.1f})"
    )
    if words.damaged:
        text += f"; the board threw away {found.to_board} commands, the host {found.rejected} packets"
    if words.damaged == words.units:
        error = NoDeviceError("the board stopped answering")
        return Check("link", Status.FAIL, text, "look at cable and power", error)
    return _judged("link", words, text, found.wrong_words)


def _frames(found: BitErrors) -> Check:
    rate = found.frames
    if rate is None:
        return Check("frames", Status.SKIPPED, "the link is too bad for any")
    text = (
        f"{rate.units} frames of the pattern, {rate.damaged} damaged; {_rate(rate)}; {found.throughput / 1e3:.0f} kB/s"
    )
    return _judged("frames", rate, text, found.wrong_values)
