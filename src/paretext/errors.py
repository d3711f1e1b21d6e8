"""The one exception a user is meant to see."""


class ParetextError(Exception):
    """Something the user can mend: the message is one sentence with the value found and the remedy.

    The command line prints the message alone and exits with status 2.
    """
