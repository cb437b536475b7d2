"""Sentences of a check that is under way: how far it is, what it has found, and how to come back to it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from explorer.alignment import SiteResult, deciding_site, decisive
from explorer.jobs import JobState, Progress
from explorer.number_text import duration, number, sentence_case


def progress(title: str, now: Progress, left: float | None, ahead: Sequence[float | None] = ()) -> tuple[str, str]:
    """Headline and line below it (plain text). `left`: seconds of its own; `ahead`: of each check before it."""
    if now.state == JobState.WAITING:
        if not ahead:
            return f"Waiting: {title}", "It begins as soon as the one before has stopped."
        takes = "" if left is None else f" It will take about {duration(left)}."
        return f"Waiting: {title}", f"{_before(ahead)} yours{_wait(ahead, '; it should begin in about {}')}.{takes}"
    done = f"{int(100 * now.share)}% done after {clock(now.seconds)}"
    rest = "how much longer is not known" if left is None else f"about {duration(left)} left"
    return f"Checking {title}", f"{now.step or 'starting'} · {done}, {rest}"


def so_far(sites: Sequence[SiteResult], awaited: Sequence[str]) -> str:
    """What the sites that are measured say of the pair while others are awaited (HTML)."""
    count = f"{len(sites)} of {len(sites) + len(awaited)} sites" if awaited else f"all {len(sites)} sites"
    decides = deciding_site(sites)
    if decides.verdict is None:
        return f"Measured so far: {count}."
    by = decisive(decides)
    least = "" if len(sites) == 1 else ", the least favourable"
    return (
        f"<b>{sentence_case(decides.verdict.verdict)}</b>, after {count}: at {escape(decides.label)}{least}, {by.title} "
        f"predicts <b>{number(by.estimate.value)}</b> of A's rows; the largest of its nulls {number(by.nulls.gate)}."
    )


def goes_on(name: str) -> str:
    """Beside a check that runs: that nobody has to wait here, and how to come back (HTML)."""
    link = f"check?check={quote(name)}"
    return (
        "It goes on while you look at other pages, and if you close this one: "
        f"<a href='{link}' target='_self'>this link</a> leads back to it, and then to its result."
    )


def gone(name: str) -> str:
    """What is said of a link to a check that is neither under way nor a study (plain text)."""
    return (
        f"The link asks for the check “{name[:60]}”, and there is neither a check of that name under way nor a study: it was "
        "cancelled or failed, its study was renamed or deleted, or the app was started anew. You can start it again here; "
        "the studies that there are stand below."
    )


def lost(title: str) -> str:
    """What is said of a check whose app was ended before it (plain text)."""
    return (
        f"Your check of {title} had not ended when the app was stopped. Steps that were finished are kept: started again, it "
        "goes on after them."
    )


def queued(ahead: Sequence[float | None]) -> str:
    """What is under way when a check is asked for (HTML); `ahead`: seconds left of each check. Empty for none."""
    return f" {_before(ahead)} it{_wait(ahead, '; it would begin in about {}')}." if ahead else ""


def _before(ahead: Sequence[float | None]) -> str:
    return "1 check is before" if len(ahead) == 1 else f"{len(ahead)} checks are before"


def _wait(ahead: Sequence[float | None], words: str) -> str:
    known = [seconds for seconds in ahead if seconds is not None]
    return words.format(duration(sum(known))) if len(known) == len(ahead) else ""


def recording(now: Progress) -> str:
    """Where the recording of example texts stands (plain text)."""
    if now.state == JobState.WAITING:
        return "Example texts for Story are recorded when no check waits."
    if not now.share:
        return "Recording example texts for Story."
    left = duration(now.moved * (1 - now.share) / now.share)
    return f"Recording for Story: {now.step}, about {left} left. The result stands without."


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
