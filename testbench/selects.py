"""What the sequencer shows beside its requests: row, column and image_id."""

from collections.abc import Sequence

from testbench.bench import Bench, params


class Selects:
    """Follows the requests that the stage takes at `i`.

    Parameters
    ----------
    bench : the bench; its device has the ports row, column and, where it wants it, image_id.
    image_ids : numbers of the frames in their order, over and over.
    """

    def __init__(self, bench: Bench, image_ids: Sequence[int] = (0,)):
        self._bench, self._image_ids, self._taken = bench, image_ids, 0

    def drive(self) -> None:
        frame, pixel = divmod(self._taken, params().rows * params().columns)
        row, column = divmod(pixel, params().columns)
        shown = {"row": row, "column": column, "image_id": self._image_ids[frame % len(self._image_ids)]}
        # A port without a bit is none.
        self._bench.set(**{name: value for name, value in shown.items() if hasattr(self._bench.dut, name)})

    def sample(self, clock: int) -> None:
        dut = self._bench.dut
        self._taken += int(dut.i__valid.value == 1 and dut.i__ready.value == 1)
