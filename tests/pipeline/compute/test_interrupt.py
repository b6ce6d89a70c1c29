import os
import signal
from collections.abc import Iterator

import pytest

from pipeline.compute.interrupt import stop_on_signal


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[list[int]]:
    """Note signals instead of ending the tests, and put the handlers back."""
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    old = [signal.signal(number, lambda n, frame: came.append(n)) for number in numbers]
    yield came
    for number, handler in zip(numbers, old, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_a_request(own_handlers: list[int], number: int, code: int) -> None:
    with stop_on_signal() as request:
        assert not request()
        os.kill(os.getpid(), number)
        assert request()
        assert request.exit_code == code
    assert own_handlers == []


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_goes_where_it_went_before(own_handlers: list[int], second: int) -> None:
    with stop_on_signal():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), second)
    assert own_handlers == [second]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_afterwards_signals_go_where_they_went_before(own_handlers: list[int], number: int) -> None:
    with stop_on_signal() as request:
        pass
    os.kill(os.getpid(), number)
    assert own_handlers == [number]
    assert not request()


def test_handlers_come_back_after_an_error(own_handlers: list[int]) -> None:
    with pytest.raises(ZeroDivisionError), stop_on_signal():
        raise ZeroDivisionError
    os.kill(os.getpid(), signal.SIGTERM)
    assert own_handlers == [signal.SIGTERM]
