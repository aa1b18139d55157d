"""The base of all errors of edgeray, for both ends of the wire."""


class EdgerayError(Exception):
    """Base of all errors of this library; its text is one sentence for the user."""
