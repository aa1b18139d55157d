"""One thin file a board: pins, clocks, link."""
