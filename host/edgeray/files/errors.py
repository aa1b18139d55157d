"""What can go wrong with files of frames."""

import errno

from edgeray.errors import EdgerayError


class FileWriteError(EdgerayError):
    """A file of frames that cannot be made, or could not be written on; says what of the series is in it."""


class FileReadError(EdgerayError):
    """A file that is no file of frames, is damaged, or is of a kind that cannot be read back."""


def reason(error: BaseException) -> str:
    """What the system said: HDF5 hides the cause in a long text, NumPy tells how many bytes it got rid of."""
    number = getattr(error, "errno", None)
    text = str(error)
    full = ("No space left", "quota exceeded", "requested and")
    if number in (errno.ENOSPC, errno.EDQUOT) or any(each in text for each in full):
        return "there is no space left on the disk"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return text.splitlines()[0] if text else type(error).__name__
