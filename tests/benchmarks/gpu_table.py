"""The table of a run of `gpu.py`, and what checks of a 7B and a 70B pair cost at the measured rates."""

from __future__ import annotations

from typing import Any

TOKENS = 200e6
LARGE = {"7B": (4096, 32, "6.9B"), "70B": (8192, 80, "6.9B")}
"""Width, blocks, and the measured shape whose share of the card's rate it is taken to reach."""
WINDOW = 512
SITES = 5


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
            rows.append((f"{name} pair, {label}: GPU hours", f"{total:.3g}"))
    return rows


def lines(results: dict[str, Any]) -> list[tuple[str, str]]:
    """(what, how much) of every measurement that is there."""
    card = results["card"]
    found = [("card", f"{card.get('card', card['device'])}, driver {card.get('driver', '–')}, torch {card['torch']}")]
    found += [(f"{t} products", f"{card[f'{t}_tflops']:.0f} TFLOP/s") for t in ("bfloat16", "float32", "float64")]
    for shape, one in results.get("passes", {}).items():
        if isinstance(one, dict):
            rates = [f"{k.removesuffix('_tokens_per_s')} {v:,}" for k, v in one.items() if k.endswith("tokens_per_s")]
            share, memory = one.get("share_of_bf16_rate", float("nan")), one.get("peak_gib", "–")
            found.append((f"{shape}, tokens/s", f"{', '.join(rates)}; {share:.0%} of the bf16 rate; {memory} GiB"))
    for d, one in results.get("polar", {}).items():
        if isinstance(one, dict) and "newton_s" in one:
            svd = f"{one['svd_s']:.3g} s (error {one['svd_error']:.0e})" if "svd_s" in one else "not run"
            found.append((f"R at d = {d}", f"{one['newton_s']:.3g} s (error {one['newton_error']:.0e}); SVD {svd}"))
    for site, one in results.get("precision", {}).items():
        if isinstance(one, dict):
            found.append((f"bf16 passes, {site}", f"EV {one['ev_bfloat16']} against {one['ev_float32']} in float32"))
    for name in ("verdict", "verdict_on_cpu", "wide_pair"):
        if one := results.get(name):
            end = f"{one['total']} s" if one.get("finished") else f"{one.get('share', 0):.0%} in {one.get('so_far')} s"
            found.append((name, end))
    found += [(f"dictionary {k}", f"{v:,}") for k, v in results.get("dictionaries", {}).items() if k.endswith("per_s")]
    for name, one in results.get("lanes", {}).items():
        if isinstance(one, dict):
            found.append(
                (f"six lanes / one generate, {name}", f"{one['ratio']} ({one['six_lanes_tokens_per_s']} tokens/s)")
            )
    if rate := results.get("training", {}).get("tokens_per_s_each_seed"):
        found.append(("training, three seeds", f"{rate:,} tokens/s each, {results['training'].get('peak_gib')} GiB"))
    return found + costs(results)


def table(results: dict[str, Any]) -> str:
    """Markdown."""
    return "\n".join(["| what | measured |", "|---|---|", *(f"| {a} | {b} |" for a, b in lines(results))])
