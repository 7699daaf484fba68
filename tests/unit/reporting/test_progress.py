"""The progress of long work, in a terminal and without one."""

from io import StringIO

import pytest

from reporting.progress import progress


class Terminal(StringIO):
    """A terminal that remembers its output."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("is_terminal", [True, False])
def test_only_a_terminal_shows_progress(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    output = Terminal() if is_terminal else StringIO()
    monkeypatch.setattr("sys.stderr", output)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")

    with progress("load", total=10) as advance:
        advance(4, "40/s [fast]")

    shown = output.getvalue()
    assert ("40/s [fast]" in shown) == is_terminal
    assert ("4/10" in shown) == is_terminal
    assert is_terminal or shown == ""
