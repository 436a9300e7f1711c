"""Caps of kinds: what is at its cap is left out, and no take can pass one."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.task import Claimed
from queuectl.settings import Isolation, Settings
from queuectl_daemon.kinds import NO_CAPS, KindRoom, Kinds
from tests.support.factories import claimed

KINDS: dict[str, Isolation] = {"page": "process", "resize": "process", "note": "thread", "poll": "async"}


def kind_of(work: Claimed) -> Isolation:
    return "process" if work.memory_limit is not None else KINDS[work.handler]


def kinds(**caps: int) -> Kinds:
    return Kinds(caps, kind_of, lambda: KINDS)  # type: ignore[arg-type]


def room(**left: int) -> KindRoom:
    return KindRoom(left, kind_of, KINDS)  # type: ignore[arg-type]


def test_only_the_caps_that_are_set_count() -> None:
    settings = Settings(home=Path("nowhere"), database_url="", workers_process=2, workers_async=50)
    assert settings.caps_of_kinds == {"process": 2, "async": 50}
    assert Settings(home=Path("nowhere"), database_url="").caps_of_kinds == {}


def test_a_cap_binds_below_the_number_of_workers() -> None:
    assert not kinds().bind(8)
    assert not kinds(process=8, thread=9).bind(8)
    assert kinds(process=8, thread=7).bind(8)


def test_without_caps_nothing_is_held_back() -> None:
    assert (NO_CAPS.full, NO_CAPS.binds) == ((), False)
    assert NO_CAPS.fitting(["anything"] * 512) == 512
    NO_CAPS.count([claimed(handler="anything")])
    assert NO_CAPS.fitting(["anything"] * 512) == 512


def test_what_is_held_uses_up_the_room_of_its_kind() -> None:
    held = [
        claimed(id=1, handler="page"),
        claimed(id=2, handler="note"),
        claimed(id=3, handler="note", memory_limit=64),
    ]
    left = kinds(process=3, thread=1).room(held)
    assert list(left.full) == ["note"]
    assert left.fitting(["poll", "resize", "poll", "page", "poll"]) == 3
    left.count([claimed(handler="resize")])
    assert list(left.full) == ["note", "page", "resize"]
    assert left.fitting(["poll"] * 10) == 10, "what is left has no cap"


def test_the_kind_of_a_task_is_looked_for_once_for_as_long_as_it_is_held() -> None:
    asked: list[int] = []

    def kind_of_asked(work: Claimed) -> Isolation:
        asked.append(work.id)
        return kind_of(work)

    found = Kinds({"process": 2}, kind_of_asked, lambda: KINDS)
    one, other = claimed(id=1, handler="page"), claimed(id=2, handler="resize")
    for held, room_left in (
        ([one], ()),
        ([one, other], ("page", "resize")),
        ([one, other], ("page", "resize")),
    ):
        assert found.room(held).full == room_left
    assert asked == [1, 2]
    assert found.room([]).full == ()
    found.room([other, one._replace(fence=2, handler="note")])
    assert asked == [1, 2, 2, 1], "what is held no more is forgotten, and a later run is another one"


def test_more_than_its_cap_leaves_a_kind_full() -> None:
    assert room(process=-2).full == ("page", "resize")
    assert room(process=-2).fitting(["page"]) == 0


def test_a_handler_that_nobody_knows_is_not_held_back() -> None:
    assert room(process=0, thread=0).fitting(["removed", "removed", "page"]) == 2


@given(
    caps=st.dictionaries(st.sampled_from(["process", "thread", "async"]), st.integers(1, 6)),
    waiting=st.lists(st.sampled_from(sorted(KINDS)), max_size=40),
    wanted=st.integers(1, 40),
)
def test_taking_what_fits_never_passes_a_cap_keeps_the_order_and_leaves_nothing_that_fits(
    caps: dict[str, int], waiting: list[str], wanted: int
) -> None:
    left, taken, queue = room(**caps), list[int](), list(enumerate(waiting))
    for _ in range(1 + len(caps)):
        full = left.full
        found = [each for each in queue if each[1] not in full][: wanted - len(taken)]
        fitting = found[: left.fitting([name for _, name in found])]
        left.count([claimed(handler=name) for _, name in fitting])
        taken += [place for place, _ in fitting]
        queue = [each for each in queue if each not in fitting]
    counts = {kind: sum(KINDS[waiting[place]] == kind for place in taken) for kind in set(KINDS.values())}
    assert all(counts[kind] <= cap for kind, cap in caps.items())  # type: ignore[index]
    assert taken == sorted(taken)
    if len(taken) < wanted:
        assert all(counts[KINDS[name]] == caps.get(KINDS[name]) for _, name in queue)
