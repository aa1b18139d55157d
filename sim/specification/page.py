"""The whole page, section by section."""

from sim.specification import entropy, envelope, examples, exchange, receiving


def page() -> str:
    """The page as Markdown."""
    sections = (
        envelope.opening,
        envelope.envelope,
        envelope.header,
        envelope.meta,
        entropy.rows,
        entropy.code,
        entropy.stored,
        receiving.frames,
        receiving.resynchronisation,
        receiving.conclusions,
        exchange.commands,
        receiving.versions,
        examples.cost,
        examples.examples,
    )
    return "\n\n".join(part for section in sections for part in section()) + "\n"
