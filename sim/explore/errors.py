"""What an exploration cannot do."""

from edgeray.errors import EdgerayError


class ExploreError(EdgerayError, ValueError):
    """A search space, a scheduler or a demand that there is no answer for; says what would do."""
