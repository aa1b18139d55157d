"""What a check of the doctor says."""

from dataclasses import dataclass
from enum import Enum

from edgeray.errors import EdgerayError


class Status(Enum):
    """OK; WARN: it works, but not as it should; FAIL; SKIPPED: not there, and not needed or not to be looked at."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    found : what it was, a clause.
    fix : a command to paste, or a sentence; "" where there is nothing to mend.
    error : what a command would have failed with; None where nothing was raised.
    """

    name: str
    status: Status
    found: str
    fix: str = ""
    error: EdgerayError | None = None
