"""Before a talk: record what Story lacks, open every scene with the network off, and print "ready" or what is not."""

from __future__ import annotations

import argparse

HELP = "before a talk: print ready, or what is not"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The study, and the app that will be shown."""
    parser.add_argument("study", metavar="STUDY", help="folder or name of a study")
    parser.add_argument("--app", metavar="URL", help="warm this running app too (default: start one for the test)")


def run(options: argparse.Namespace) -> int:
    """0 if everything is ready, 1 if something is not."""
    from explorer.narrative import Check, preflight
    from explorer.study import open_study

    def say(check: Check) -> None:
        took = f" ({check.seconds:.1f} s)" if check.seconds >= 0.05 else ""
        print(f"{'NOT READY' if check.problem else 'ok':9s} {check.what}{took}", flush=True)
        if check.problem:
            print(f"          {check.problem}", flush=True)

    ready = preflight(open_study(options.study), say, options.app)
    print("ready" if ready else "not ready: see above")
    return 0 if ready else 1
