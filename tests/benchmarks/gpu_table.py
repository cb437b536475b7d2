"""The table of a run of `gpu.py`, and what checks of a 7B and a 70B pair cost at the measured rates."""

from __future__ import annotations

from typing import Any

TOKENS = 200e6
LARGE = {"7B": (4096, 32, "6.9B"), "70B": (8192, 80, "6.9B")}
"""Width, blocks, and the measured shape whose share of the card's rate it is taken to reach."""
WINDOW = 512
SITES = 5
RATES = {
    "blocks_tokens_per_s": "blocks",
    "logits_tokens_per_s": "with logits",
    "five_sites_tokens_per_s": "five sites kept",
    "moments_0_shuffles_tokens_per_s": "both models and moments",
    "moments_19_shuffles_tokens_per_s": "and 19 shuffles",
}
"""What was timed, and what it is called."""
CHECKS = {
    "verdict": "a check of two Tales seeds, 65,536 tokens, from start to report",
    "verdict_on_cpu": "the same on the machine's 16 cores, beside the GPU's work",
    "wide_pair": "a pair of the 410m shape at three sites, 20·d rows, no dictionary",
}


def hours(d: int, blocks: int, tokens: float, rate: float) -> float:
    """GPU hours of two models' forward passes over so many tokens, at `rate` operations a second."""
    return 2 * tokens * blocks * (24 * d**2 + 2 * WINDOW * d) / rate / 3600


def costs(results: dict[str, Any]) -> list[tuple[str, str]]:
    """GPU hours of reading 20·d and 200 M tokens through a pair, with its moments at five sites."""
    card, passes = results["card"], results.get("passes", {})
    rows = []
    for name, (d, blocks, like) in LARGE.items():
        measured = passes.get(like, {})
        if "moments_0_shuffles_tokens_per_s" not in measured:
            continue
        rate = measured["share_of_bf16_rate"] * card["bfloat16_tflops"] * 1e12
        # Six products of d² for each row and site, of one model's rows with themselves and with the other's.
        products = 6 * d**2 * SITES / (card["float32_tflops"] * 1e12)
        for label, tokens in ((f"20·d = {20 * d:,} rows", 20 * d / 0.6), ("200 M tokens", TOKENS)):
            total = hours(d, blocks, tokens, rate) + tokens * products / 3600
            rows.append((f"computed from this: GPU hours of a {name} pair, {label}", f"{total:.2g}"))
    return rows


def lines(results: dict[str, Any]) -> list[tuple[str, str]]:
    """(what, how much) of every measurement that is there."""
    card = results["card"]
    found = [("card", f"{card.get('card', card['device'])}, driver {card.get('driver', '–')}, torch {card['torch']}")]
    found += [(f"{t} products", f"{card[f'{t}_tflops']:.0f} TFLOP/s") for t in ("bfloat16", "float32", "float64")]
    for shape, one in results.get("passes", {}).items():
        if isinstance(one, dict):
            rates = [f"{label} {one[key]:,}" for key, label in RATES.items() if key in one]
            share, memory = one.get("share_of_bf16_rate", float("nan")), one.get("peak_gib", "–")
            text = f"{', '.join(rates)}; {share:.0%} of the bf16 rate; {memory} GiB"
            found.append((f"tokens/s, shape of Pythia-{shape}, random weights", text))
    for d, one in results.get("polar", {}).items():
        if isinstance(one, dict) and "newton_s" in one:
            svd = f"{one['svd_s']:.3g} s" if "svd_s" in one else "not run"
            found.append((f"one R at d = {d}, float64", f"{one['newton_s']:.3g} s, by SVD {svd}"))
    sites = [one for one in results.get("precision", {}).values() if isinstance(one, dict)]
    if sites:
        most = max(abs(one["ev_bfloat16"] - one["ev_float32"]) for one in sites)
        found.append(("EV of R, bfloat16 passes against float32, five sites of Tales", f"at most {most:.5f} apart"))
    for name, title in CHECKS.items():
        if one := results.get(name):
            end = f"{one['total']} s" if one.get("finished") else f"{one.get('share', 0):.0%} in {one.get('so_far')} s"
            found.append((title, end))
    rows = results.get("dictionaries", {})
    for d in ("d512", "d2048"):
        if f"{d}_cuda_rows_per_s" in rows:
            here, cpu = rows[f"{d}_cuda_rows_per_s"], rows[f"{d}_cpu_rows_per_s"]
            found.append(
                (f"rows/s, training a dictionary of 8·d features, d = {d[1:]}", f"{here:,}; its 16 cores {cpu:,}")
            )
    for name, one in results.get("lanes", {}).items():
        if isinstance(one, dict):
            told = f"{one['ratio']} ({one['six_lanes_tokens_per_s']:,} tokens/s)"
            found.append((f"six lanes, time over one plain generate, {name.replace('_', ', ')}", told))
    if rate := results.get("training", {}).get("tokens_per_s_each_seed"):
        told = f"{rate:,} tokens/s each, {results['training'].get('peak_gib')} GiB"
        found.append(("training three seeds of Tales as one batch", told))
    return found + costs(results)


def table(results: dict[str, Any]) -> str:
    """Markdown."""
    return "\n".join(["| what | measured |", "|---|---|", *(f"| {a} | {b} |" for a, b in lines(results))])
