"""The invitation to pop messages: it is used once, and whoever asks knows whether messages may still come."""

from __future__ import annotations

from queuectl_daemon.invitation import Invitation

ROOMS = {"urgent_priority": 2, "low_priority": 1}


def invited() -> Invitation:
    invitation = Invitation()
    invitation.renew(ROOMS)
    return invitation


def test_it_is_used_once() -> None:
    invitation = invited()
    assert invitation.use() == ROOMS
    invitation.used({})
    assert invitation.use() == {}


def test_what_an_exchange_uses_cannot_be_taken_back_any_more() -> None:
    invitation = invited()
    invitation.use()
    assert not invitation.withdraw()
    invitation.used({})
    assert invitation.withdraw()


def test_an_exchange_without_rooms_is_in_nobody_s_way() -> None:
    invitation = Invitation()
    assert invitation.use() == {}
    assert invitation.withdraw()


def test_what_no_message_came_for_holds_on_unless_it_was_renewed() -> None:
    invitation = invited()
    invitation.used(invitation.use())
    assert invitation.use() == ROOMS
    invitation.renew({"low_priority": 1})
    invitation.used(ROOMS)
    assert invitation.use() == {"low_priority": 1}


def test_no_room_at_all_is_no_invitation() -> None:
    invitation = invited()
    invitation.renew({"low_priority": 0})
    assert not invitation


def test_what_is_closed_stays_so() -> None:
    invitation = invited()
    rooms = invitation.use()
    invitation.close()
    invitation.used(rooms)
    invitation.renew(ROOMS)
    assert not invitation
    assert invitation.use() == {}
