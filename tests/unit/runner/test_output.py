"""The head and tail of what a program prints."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from queuectl.handlers.output import Output


@given(st.lists(st.binary(max_size=30), max_size=30), st.integers(0, 20), st.integers(1, 20))
def test_what_fits_is_kept_whole_and_of_the_rest_both_ends(chunks, head, tail):
    output = Output(head=head, tail=tail)
    for chunk in chunks:
        output.add(chunk)
    everything = b"".join(chunks)

    assert output.total == len(everything)
    if len(everything) <= head + tail:
        assert output.text() == output.ending() == everything.decode("utf-8", "replace")
    else:
        missing = len(everything) - head - tail
        assert output.text() == (
            everything[:head].decode("utf-8", "replace")
            + f"\n[{missing} bytes left out]\n"
            + everything[-tail:].decode("utf-8", "replace")
        )
        assert output.ending() == everything[-tail:].decode("utf-8", "replace")


def test_memory_is_bounded_however_much_is_printed():
    output = Output()
    for _ in range(1000):
        output.add(b"x" * 65536)

    assert len(output.text()) < 66_000
    assert len(output._tail) <= 2 * 32 * 1024 + 65536
