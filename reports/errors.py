"""The errors of this room that a user can act on."""


class ReportError(Exception):
    """A problem that one line can explain; the command line prints it and exits with code 2."""


class StatisticsError(ReportError):
    """Tables or arrays that cannot be summarised."""
