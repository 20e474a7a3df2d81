import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.rehearsal.usage.signals import handles, ignores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what a process does about signals")


@contextmanager
def program(line: str) -> Iterator[int]:
    """A process that has run a line of Python."""
    words = [sys.executable, "-S", "-c", f"import signal, time; {line}; print(flush=True); time.sleep(60)"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("line", "handled", "ignored"),
    one_of_each(
        [
            ("signal.signal(signal.SIGTERM, lambda *_: None)", True, False),
            ("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])", True, False),  # as tini, which waits for it
            ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", False, True),
            ("pass", False, False),
        ],
        lambda case: case[1:],
    ),
)
def test_what_a_process_does_about_a_signal_is_known(line: str, handled: bool, ignored: bool) -> None:
    with program(line) as pid:
        assert handles(pid, signal.SIGTERM) is handled
        assert ignores(pid, signal.SIGTERM) is ignored


def test_an_ended_process_is_not_called_deaf() -> None:
    assert handles(2**22 + 1, signal.SIGTERM)
    assert not ignores(2**22 + 1, signal.SIGTERM)
