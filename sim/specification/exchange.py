"""Section of the page: commands, replies, and how settings come into force."""

from edgeray.protocol.packets import (
    BLOCK_WORDS,
    COMMAND_HEADER,
    REPLY,
    VERSION,
    WRITE_SIZE,
    CommandType,
    ReplyStatus,
)
from edgeray.protocol.registers import COMMAND_BITS
from sim.specification.markdown import fields, items, table, text, values
from sim.specification.receiving import register

_SEQUENCES = COMMAND_HEADER["sequence"].maximum + 1
_STATUS = {
    ReplyStatus.OK: "executed",
    ReplyStatus.UNKNOWN_ADDRESS: "no register there in this build",
    ReplyStatus.READ_ONLY: "a WRITE to a register that can only be read",
    ReplyStatus.VALUE_REFUSED: "the register does not take this value",
    ReplyStatus.UNKNOWN_COMMAND: "a type that is no command, or one whose payload is not its own",
}


def commands() -> list[str]:
    apply = COMMAND_BITS["apply"]
    return [
        "## Commands and replies",
        text(
            f"""A command is a packet to the board, with the command header: `type` is {values(CommandType)};
            `address` the register's; `sequence` a number that the host chooses; `version` {VERSION}; `generation`
            0 and `last` 1, which the board does not look at. READ has no payload; WRITE has the new value in
            {WRITE_SIZE} bytes, low byte first, the values of signed registers sign-extended to them; WRITE_BLOCK has 1
            to {BLOCK_WORDS} such values, which are written to the one register in turn, until it refuses one. That
            is for the registers that fill a memory, whose index counts up with each value.""",
            """The board answers every command that came whole with one REPLY, of the command's `sequence` and
            `address`, with `last` 1 and the board's `generation`; its payload is""",
        ),
        fields(REPLY),
        table(
            ("status", "name", "what became of the command"),
            ((s.value, s.name, _STATUS[s]) for s in ReplyStatus),
            right=("status",),
        ),
        text(
            f"""`value` is what the register reads after the command, also where that was refused; 0 for an unknown
            address, an unknown command, and registers that only act. Registers narrower than {8 * WRITE_SIZE} bits
            are extended to that width, signed ones by their sign. Of a WRITE_BLOCK, `status` is that of the first
            value refused, OK where none was, and `value` is how many were written: those before it."""
        ),
        "### What the board does with its bytes",
        items(
            f"""It looks for SYNC, and reads the {COMMAND_HEADER.size} bytes of the header and the CRC-8. Where the
            CRC-8 is wrong, or the version, or the length is no multiple of {WRITE_SIZE} from 0 to
            {WRITE_SIZE * BLOCK_WORDS}, the command is thrown away.""",
            """It reads the payload and the CRC-32. Where that is wrong, the command is thrown away. So it is where
            its next byte does not come in a fraction of a second.""",
            f"""A command thrown away changes nothing, gets no reply, and is counted in
            {register("command_errors")}, which stays at its maximum. The board looks for the next SYNC in the
            bytes that follow; only if the last byte read may be the first of a SYNC, it looks there too. So where
            bytes were lost, the next command may be lost as well.""",
            """A command that is whole is executed, unless it is a repetition (below), and answered; then the next
            one is read. Replies go out in the order of the commands, between two packets of frames. Frames never
            wait for commands.""",
            numbered=True,
        ),
        "### Sequence numbers and repetition",
        text(
            """A host that gets no reply in time cannot know whether the command was lost or its reply, and sends
            the command again. What must not happen twice (`arm`, `trigger`, an entry of the correction table) the
            board does once:""",
        ),
        items(
            """The board remembers the `sequence` of the command that it executed last: a READ, WRITE or WRITE_BLOCK,
            also one that a register refused; not one thrown away, nor one with status UNKNOWN_COMMAND.""",
            """A WRITE or WRITE_BLOCK with this `sequence` is a repetition, whatever else it says. It is not
            executed; its reply has the status and the value of the reply to the command executed last, and its own
            address.""",
            "A READ is always executed.",
        ),
        text("From this follows what a host has to do:"),
        items(
            f"""Give every new command another `sequence` than the one before it; of {_SEQUENCES}, counted up, none
            comes back soon.""",
            """Repeat a WRITE or WRITE_BLOCK that must not act twice under the same `sequence`, and have no other
            command under way until its reply came or it is given up.""",
            """Repeat other commands under either number; a new one tells a late reply to the first try from one to
            the second. Several may be under way at once, if none of them must come before another.""",
            """Begin with a READ, and come back to one when commands were given up: the board may remember the
            number of a host before this one, or of a command believed lost.""",
        ),
        "### Settings come into force together",
        text(
            f"""Settings are written to a shadow; what a READ shows is the shadow. `apply` (bit
            {COMMAND_BITS.offset(apply.name)} of {register("command")}) takes all of them over together, between
            two frames: at once where no frame is in flight, else behind the one that is. Until then
            {register("state")} shows `apply_pending`. Taking over counts {register("generation")} one up, which
            headers carry, and a META precedes the next frame. A host that sets half of its settings and then loses
            the link has changed nothing.""",
        ),
    ]
