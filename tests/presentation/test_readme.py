"""README's numbers are the shipped study's, its commands exist, and its pictures are there."""

from __future__ import annotations

import re

from explorer.cli.command_line import _parser
from explorer.presentation import readme
from explorer.study.library import open_study


def test_tables_are_the_studys_numbers() -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert readme.render(text, open_study("tales")) == text
    for name in readme.TABLES:
        assert len(re.findall(rf"<!-- /?{name} -->", text)) == 2


def test_a_changed_number_is_noticed() -> None:
    text = readme.README.read_text(encoding="utf-8")
    changed = re.sub(r"(\| input \| )−?0\.\d\d", r"\g<1>9.99", text)
    assert changed != text
    assert readme.render(changed, open_study("tales")) == text


def test_commands_parse_and_pictures_exist() -> None:
    text = readme.README.read_text(encoding="utf-8")
    commands = re.findall(r"^python -m explorer (.+?)(?:\s+#.*)?$", text, flags=re.MULTILINE)
    assert commands
    for command in commands:
        _parser().parse_args(command.split())
    pictures = re.findall(r"!\[.*?\]\((.+?)\)", text)
    assert pictures
    for picture in pictures:
        assert (readme.README.parent / picture).is_file(), picture
