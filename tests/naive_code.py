"""A decoder of EDGE and RAW payloads that follows the specification sentence by sentence and takes its time.

It shares no constant and no function with the golden model: every number here was copied from the text of
`edgeray.protocol.code` by hand.
"""

J = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6]


class Bits:
    """The bits of a payload, one after the other."""

    def __init__(self, payload: bytes):
        self.all = [int(digit) for byte in payload for digit in f"{byte:08b}"[::-1]]
        self.read = 0

    def one(self) -> int:
        self.read += 1
        return self.all[self.read - 1]

    def number(self, count: int) -> int:
        return sum(self.one() * 2**place for place in range(count))


def rice(bits: Bits, k: int, sample_bits: int) -> int:
    zeros = 0
    while zeros < 10 and not bits.one():
        zeros += 1
    return bits.number(sample_bits + 1) if zeros == 10 else zeros * 2**k + bits.number(k)


def symbols(
    payload: bytes, rows: int, columns: int, *, sample_bits: int, threshold: int, positive: bool = False
) -> tuple[list[list[int]], list[int]]:
    """The symbols of a payload, and the bits of each of its codes.

    AssertionError where bits are left over, IndexError where they do not suffice.
    """
    bits, found, lengths = Bits(payload), [], [0]
    mean = {0: 16} | {c: 8 * 2 ** min(max(c - 2, 0), sample_bits - 6) for c in range(1, 10)}
    zeros = dict.fromkeys(range(1, 10), 128)
    i = 0
    for _ in range(rows):
        row: list[int] = []
        e1 = e2 = 0
        # A run that has been read: zeros still to give, and whether a symbol that is not 0 follows them.
        given, broken = 0, False
        while len(row) < columns:
            before = bits.read
            c = min((2 * e1 + e2).bit_length(), 9)
            m = None
            if c == 0:
                if not given and not broken:
                    if bits.one():
                        given = min(2 ** J[i], columns - len(row))
                        # A `1` for a whole run counts i up; one for a run that the row's end cuts does not.
                        i = min(i + 1, 21) if given == 2 ** J[i] else i
                    else:
                        given, broken = bits.number(J[i]), True
                if given:
                    given -= 1
                else:
                    broken = False
                    i = max(i - 1, 0)
                    m = rice(bits, (mean[0] // 16).bit_length(), sample_bits)
            else:
                k = (mean[c] // 16).bit_length()
                if k > 0 and zeros[c] < 48:
                    n = rice(bits, k, sample_bits)
                    m = n - 1 if n else None
                elif bits.one():
                    m = rice(bits, k, sample_bits)
            if m is not None:
                mean[c] += m - mean[c] // 8
            if c:
                zeros[c] += (15 if m is None else 0) - zeros[c] // 16
            size = None if m is None else threshold + (m if positive else m // 2)
            row.append(0 if m is None or size is None else -size if m % 2 and not positive else size)
            # The head of a code that breaks a run was read where the run began.
            lengths[-1] += bits.read - before
            if not broken:
                lengths.append(0)
            e1, e2 = (0 if size is None else size - threshold + 1), e1
        found.append(row)
    left = bits.all[bits.read :]
    assert len(left) < 8
    assert not any(left)
    return found, lengths


def pixels(residuals: list[list[int]], sample_bits: int) -> list[list[int]]:
    """The pixels that these residuals stand for."""
    found: list[list[int]] = []
    for y, row in enumerate(residuals):
        found.append([])
        for x, residual in enumerate(row):
            west = found[y][x - 1] if x else 2 ** (sample_bits - 1)
            if y:
                north = found[y - 1][x]
                east = found[y - 1][x + 1] if x + 1 < len(row) else north
                prediction = (2 * (west if x else north) + north + east + 2) // 4
            else:
                prediction = west
            found[y].append((prediction + residual) % 2**sample_bits)
    return found
