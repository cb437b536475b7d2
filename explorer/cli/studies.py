"""List the studies that there are and where they lie."""

from __future__ import annotations

import argparse

HELP = "list the shipped studies and your own, and where they are"


def add_options(_parser: argparse.ArgumentParser) -> None:
    """None."""


def run(_options: argparse.Namespace) -> int:
    """One line for each study, the shipped ones first: name, title, folder."""
    from explorer.study import open_study, own_studies, shipped_studies

    for name in shipped_studies():
        study = open_study(name)
        print(f"{name}\t{study.file.title}\t{study.folder}")
    for own in own_studies():
        print(f"{own.name}\t{own.title}\t{own.folder / 'study'}")
    return 0
