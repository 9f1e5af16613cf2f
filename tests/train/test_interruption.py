"""Ctrl-C and SIGTERM are noted once, then act as ever."""

import os
import signal

import pytest

from lucid.train.interruption import Interruption


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_the_first_signal_is_noted(number, code):
    with Interruption() as interruption:
        assert not interruption()
        os.kill(os.getpid(), number)
        assert interruption()
    assert interruption.exit_code == code


def test_the_second_ctrl_c_acts_at_once():
    with Interruption(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_afterwards_the_handlers_are_as_before():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Interruption():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_without_a_signal_the_exit_code_is_0():
    with Interruption() as interruption:
        pass
    assert interruption.exit_code == 0
