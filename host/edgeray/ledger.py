"""The loss ledger of a series: what became of every frame that was triggered."""

from dataclasses import dataclass

from edgeray.errors import DataIncomplete


@dataclass(slots=True)
class Ledger:
    """Frames and bytes of one series.

        triggered = received + dropped_on_chip + lost_on_link

    triggered, dropped_on_chip : frames that the board counted: all triggered, and of those the ones not sent for want
        of room. When `confirmed`, read from the board's registers after the series; until then the highest frame number
        seen plus one, and the count in the latest META (frames dropped since then still show as lost on the link).
    received : frames decoded at the host, incomplete ones included, whether or not the caller took them.
    incomplete : those of `received` that have rows missing.
    lost_on_link : frames sent of which no row could be used: nothing arrived, every packet was damaged or malformed, or
        no META told how to read it (`undecodable`).
    crc_bad : damaged packets of any kind, a cause of frames lost or incomplete, not a separate part of the sum.
    undecodable, malformed, late : frames without a META in force; intact packets whose contents contradict META;
        intact packets of a frame that was over.
    bytes, bytes_skipped : bytes that arrived, and those of them in no intact packet.
    """

    triggered: int = 0
    received: int = 0
    dropped_on_chip: int = 0
    crc_bad: int = 0
    incomplete: int = 0
    undecodable: int = 0
    malformed: int = 0
    late: int = 0
    bytes: int = 0
    bytes_skipped: int = 0
    confirmed: bool = False

    @property
    def lost_on_link(self) -> int:
        return self.triggered - self.received - self.dropped_on_chip

    @property
    def complete(self) -> bool:
        """Every frame triggered was received with all its rows, and the board says so."""
        return self.confirmed and self.received == self.triggered and not self.incomplete

    def require_complete(self) -> None:
        """Raises DataIncomplete, with the ledger as its text, unless `complete`."""
        if not self.complete:
            raise DataIncomplete(f"the series is not complete: {self}")

    def __str__(self) -> str:
        source = "" if self.confirmed else " (not confirmed by the board)"
        return (
            f"{self.triggered} frames triggered{source} = {self.received} received ({self.incomplete} incomplete) "
            f"+ {self.dropped_on_chip} dropped on chip + {self.lost_on_link} lost on the link; "
            f"{self.crc_bad} damaged packets, {self.bytes_skipped} of {self.bytes} bytes skipped"
        )
