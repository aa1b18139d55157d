"""The entropy code of EDGE and RAW payloads: what one pixel becomes, and the numbers that adapt.

    EDGE: kernel response -----------------+
    RAW:  pixel - prediction -> residual --+--> symbol --> run or Rice code --> bits, least significant first

**Symbols.** A pixel's symbol s is 0, or a number with |s| >= T. In EDGE it is the kernel response, 0 where the pixel
was not kept; T is META's edge_threshold. In RAW it is the residual, and T is 1. With threshold_mode OFF (every response
is kept) T is 1 as well.

    e = |s| - T + 1, or 0 where s is 0            how far over the threshold
    m = 2 (|s| - T) + (1 if s < 0 else 0)         what is coded; in EDGE with threshold_mode POSITIVE m = s - T

**Residual.** RAW pixels are predicted from those before them in the same packet: west W, north N, north-east E:

    p = (2 W + N + E + 2) >> 2       in the last column E is N; in the first column W is N
    p = W                            in the packet's first row; before its first pixel W is 2**(sample_bits - 1)
    s = pixel - p, wrapped to -2**(sample_bits - 1) .. 2**(sample_bits - 1) - 1, that is, modulo 2**sample_bits

**State.** All of it starts anew with every packet: A[c] and Z[c] of each context c, and the run index i = 0; with every
row: the last two e, e1 = e2 = 0 (e1 is the nearer one), and the run length.

    context   c = min(bit_length(2 e1 + e2), 9)
    c = 0     run mode: a run of zeros is counted. Whenever it reaches 2**J[i], a `1` is written, i counts one up (to 21
              at most) and the run starts anew at 0. At the end of the row a run that is not 0 is written as `1`, and i
              stays. A symbol that is not 0 ends the run: `0`, the run length in J[i] bits, Rice(m, k); then i counts
              one down (to 0 at least). k = bit_length(A[0] >> 4).
    c > 0     k = bit_length(A[c] >> 4). Where k > 0 and Z[c] < 48 zeros are rare: Rice(m + 1, k), or Rice(0, k) for
              s = 0. Otherwise a flag, `1` where s is not 0, and behind a `1` Rice(m, k).
    Rice(n, k)   u = n >> k. Where u < 10: u zeros, a one, the low k bits of n. Otherwise 10 zeros and n in
              sample_bits + 1 bits.
    then      where s is not 0: A[c] += m - (A[c] >> 3). Where c > 0: Z[c] += (0 if s else 15) - (Z[c] >> 4), from 128
              at the packet's start. At last e2 = e1, e1 = e.

Every number is written least significant bit first; the payload is filled up with zeros to a whole byte. A code is at
most 32 bits long. Where the code of a packet takes more bytes than its values at fixed width, those are sent
(EDGE_STORED, RAW_STORED).
"""

from typing import Final

CONTEXTS: Final = 10
RUN_BITS: Final = (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6)
"""J: a run of 2**J[i] zeros costs one bit."""
ESCAPE_ZEROS: Final = 10
"""Zeros that announce a number at fixed width."""
MEAN_SHIFT: Final = 3
"""A[c] tends to 2**MEAN_SHIFT times the mean of m."""
PARAMETER_SHIFT: Final = 4
"""k is the bit length of A[c] >> PARAMETER_SHIFT."""
RUN_MEAN_START: Final = 16
"""A[0] at a packet's start."""
ZEROS_START: Final = 128
ZEROS_STEP: Final = 15
ZEROS_SHIFT: Final = 4
ZEROS_RARE: Final = 48
"""Z[c] below which zeros get no flag of their own."""
MAX_CODE_BITS: Final = 32


def starting_means(sample_bits: int) -> tuple[int, ...]:
    """A[c] at a packet's start."""
    return (RUN_MEAN_START, *(8 << min(max(c - 2, 0), sample_bits - 6) for c in range(1, CONTEXTS)))
