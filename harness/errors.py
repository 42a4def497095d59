"""What the user can fix: told in one line, without a traceback, with exit code 2."""


class UserError(Exception):
    """Bad input: what was given, where, what is allowed, and the nearest valid name.

    Anything else that is raised is a bug and keeps its traceback.
    """
