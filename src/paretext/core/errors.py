"""The one exception a user is meant to see, and what it says of those of other libraries."""

import re

_LONGEST = 200


class ParetextError(Exception):
    """Something the user can mend: the message is one sentence with the value found and the remedy.

    The command line prints the message alone and exits with status 2.
    """


class OutOfTime(ParetextError):
    """There is no time for the least of what was asked for; `seconds` are about what it takes."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"there is no time for it: it takes about {seconds:.0f} s.")
        self.seconds = seconds


def first_line(error: BaseException) -> str:
    """What another library's error says, to stand inside a sentence: the first line of what caused
    it at first, without colours."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()
    return lines[0].rstrip(".: ")[:_LONGEST] if lines else type(error).__name__


def cannot_write(place: object, problem: OSError) -> ParetextError:
    """What to say of a file that the file system refuses."""
    return ParetextError(
        f"'{place}' cannot be written ({problem.strerror or first_line(problem)}): check the "
        "folder's permissions and free space."
    )
