"""How the commands of `sim` end: an exit code, and one sentence on what is wrong instead of a traceback."""

import sys
from collections.abc import Callable

INTERRUPTED = 130


def ended(
    name: str,
    run: Callable[[], None],
    *,
    failures: tuple[type[Exception], ...],
    interrupted: str = "nothing was written",
) -> int:
    """Run the command `name`; returns its exit code.

    Parameters
    ----------
    failures : whose text is for the user: exit code 1. So is OSError, where results cannot be written.
    interrupted : what to say of Ctrl-C, beside the word.
    """
    try:
        run()
    except failures as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{name}: cannot write the results: {error.strerror}: {error.filename}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted; {interrupted}", file=sys.stderr)
        return INTERRUPTED
    return 0
