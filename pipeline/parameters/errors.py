"""The error of a params.yaml that is wrong."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.errors import PipelineError


class ParameterError(PipelineError):
    """Something in params.yaml is not allowed; the text is one line, on the first problem.

    Attributes:
        problems: one line each.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        more = len(self.problems) - 1
        also = f" (and {more} more: `augment check` shows all)" if more else ""
        super().__init__(f"{self.problems[0]}{also}")
