"""What the study of materials cannot use, and why."""

from edgeray.errors import EdgerayError


class MaterialsError(EdgerayError, ValueError):
    """A table, formula or choice that the study has no use for; says what was given and what would do."""


class SchemaError(MaterialsError):
    """A table with headings or cells that are wrong; names file, row and column of each.

    Rows count as a spreadsheet shows them: the headings are row 1.
    """


class CompositionError(MaterialsError):
    """A formula that is none, or has no A, B and X sites."""
