"""The arguments of a command."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.errors import PermanentError
from queuectl.handlers.command import expand
from queuectl.handlers.contract import HandlerTask

HOME = Path("/srv/queue")


@given(st.text(st.characters(exclude_characters="\0")))
def test_a_value_stays_within_its_argument_and_is_not_expanded_again(rest):
    url = f"https://{rest}"

    arguments = expand(["run", "--to={home}/{id}", "--", "{url}"], HandlerTask("task_7", url), HOME)

    assert arguments == ["run", "--to=/srv/queue/task_7", "--", url]


def test_only_the_known_words_in_braces_are_placeholders():
    arguments = expand(
        ["{ url }", "{print $1}", "{{attempt}}", "{URL}"], HandlerTask("task_7", "http://a", {}, 3), HOME
    )

    assert arguments == ["{ url }", "{print $1}", "{3}", "{URL}"]


@given(st.text(st.characters()))
def test_only_web_addresses_are_given_to_a_program(text):
    if text.startswith(("http://", "https://")) and "\0" not in text:
        return
    with pytest.raises(PermanentError):
        expand(["{url}"], HandlerTask("task_7", text), HOME)


def test_a_thousand_nasty_addresses_arrive_each_as_one_argument_at_a_real_program():
    pieces = [
        *(
            ";",
            "|",
            "&",
            "$(id)",
            "`id`",
            "$HOME",
            "${IFS}",
            "\n",
            "\r",
            "\t",
            " ",
            "'",
            '"',
            "\\",
            "*",
            "?",
            "~",
        ),
        *(
            "-o",
            "--",
            "-",
            "@file",
            "<",
            ">",
            "#",
            "!",
            "%n",
            "%s",
            "{url}",
            "{home}",
            "\x1b[2J",
            "\u202e",
            "é",
            "\udc80",
        ),
    ]
    nasty = [f"http://{one}{other}" for one in pieces for other in pieces][:1000]
    assert len(nasty) == 1000
    words = [word for url in nasty for word in expand(["--", "{url}"], HandlerTask("task_7", url), HOME)]

    told = subprocess.run(
        [sys.executable, "-c", "import sys; sys.stdout.buffer.write(ascii(sys.argv[1:]).encode())", *words],
        capture_output=True,
        check=True,
        timeout=60,
    )

    assert ast.literal_eval(told.stdout.decode()) == [word for url in nasty for word in ("--", url)]
