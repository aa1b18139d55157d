"""What keeps the paper's results from being computed."""

from edgeray.errors import EdgerayError


class PaperError(EdgerayError):
    """A folder, material or worker that the page cannot do without; says what to do."""
