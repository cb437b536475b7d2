"""The premise of everything that is shown: the shipped seeds have learnt their text, and compute one function."""

from explorer.study.library import open_study

MOST_ABOVE_THE_ENTROPY = 0.04
MOST_KL = 0.02


def test_every_seed_is_close_to_the_grammar_that_wrote_the_text() -> None:
    file = open_study("tales").file
    assert file.text.entropy is not None
    seeds = [m for m in file.models if m.kind == "seed"]
    assert {m.cohort for m in seeds} == {"equivariant", "adamw"} and len(seeds) >= 5
    for model in seeds:
        assert 1 < model.loss / file.text.entropy < 1 + MOST_ABOVE_THE_ENTROPY, model.name


def test_seeds_of_one_cohort_compute_one_function() -> None:
    study = open_study("tales")
    cohort = {m.name: m.cohort for m in study.file.models if m.kind == "seed"}
    within = [p for p in study.file.pairs if cohort.get(p.source) and cohort.get(p.source) == cohort.get(p.target)]
    assert {cohort[p.source] for p in within} == {"equivariant", "adamw"}
    for pair in within:
        assert study.pair(pair.source, pair.target).function.kl < MOST_KL, pair
