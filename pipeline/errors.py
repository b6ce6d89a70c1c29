"""The errors of this room that a user can act on."""


class PipelineError(Exception):
    """A problem that one line can explain; the command line prints it and exits with code 2."""


class Interrupted(PipelineError):  # noqa: N818 - not a failure: the next run goes on
    """The user asked to stop; the state is saved. Exits with the signal's code."""

    def __init__(self, message: str, exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code
