"""Passwords: what a hash is, and what it is compared with."""

from __future__ import annotations

from pathlib import Path

import pytest

from queuectl.errors import InvalidInputError, StorageError
from queuectl.operations.web_password import (
    Login,
    hashed,
    is_hash,
    keep_password,
    login_line,
    matches,
    random_password,
)
from queuectl.settings import Settings


@pytest.mark.parametrize("password", ["secret", "电池 😀", "a:b:c", " ", "x" * 1024])
def test_a_hash_knows_its_password_and_no_other(password: str) -> None:
    kept = hashed(password)
    assert is_hash(kept)
    assert password not in kept or not password.strip()
    assert matches(password.encode(), kept)
    assert not matches(password.encode() + b"x", kept)
    assert not matches(b"", kept)


@pytest.mark.parametrize("user", ["", "a:b", "x" * 101, "a\nb", "a\x7f", "a\u202eb", "\udcff"])
def test_what_cannot_log_in_is_no_user(user: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be a user"):
        login_line(user, "correct horse")


def test_nothing_is_left_of_a_password_that_cannot_be_kept(home: Path) -> None:
    settings = Settings(home=home, database_url="sqlite:///:memory:")
    (home / "web.password" / "in-the-way").mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot be written"):
        keep_password(settings, "ann", "correct horse")
    with pytest.raises(InvalidInputError):
        keep_password(settings, "ann", "x" * 1025)
    assert [file.name for file in home.iterdir()] == ["web.password"]


def test_two_hashes_of_a_password_differ() -> None:
    assert hashed("secret") != hashed("secret")


@pytest.mark.parametrize("password", ["", "x" * 1025])
def test_what_is_empty_or_endless_is_no_password(password: str) -> None:
    with pytest.raises(InvalidInputError):
        hashed(password)


@pytest.mark.parametrize(
    "text",
    ["", "secret", "scrypt", "scrypt$1$1$1$YQ$YQ", "scrypt$16384$8$5$c2FsdA$a2V5", "scrypt$x$8$5$c2FsdA$a2V5",
     "scrypt$1048576$8$1$c2FsdHNhbHQ$" + "A" * 43, "bcrypt$16$1$1$c2FsdA$" + "A" * 43],
)  # fmt: skip
def test_what_is_no_hash_matches_nothing_and_costs_nothing(text: str) -> None:
    assert not is_hash(text)
    assert not matches(b"secret", text)
    assert not matches(text.encode(), text)


def test_a_password_beyond_all_measure_is_not_even_looked_at() -> None:
    assert not matches(b"x" * 1_000_000, hashed("secret"))


def test_random_passwords_have_128_bits() -> None:
    made = {random_password() for _ in range(100)}
    assert len(made) == 100
    assert min(map(len, made)) >= 22


def test_a_login_is_a_user_and_all_behind_the_first_colon() -> None:
    assert Login.read("ann:a:b") == Login("ann", "a:b")
