"""The grammar's engine against brute force, on grammars small enough to enumerate."""

import math
import re
from collections import Counter
from random import Random

import pytest
from scipy.stats import chisquare

from explorer.text.tales.grammar import Grammar
from explorer.text.tales.grammar_nodes import GrammarError

SMALL = """
list tenses
    present, past
list people person
    Clara f, Tom m
list animals noun
    fox, owl, goose/geese
list colours.f
    red
list colours.m
    blue, green
list sizes
    f, m
list counts number
    two, three
var tense = tenses
var hero = people
var friend = people not hero
var pet = animals
var size = sizes
var shade = colours@size
var count = counts
var holder = people
rule start
    3* {opening} {ending}
    {ending} {size}{mark@size}
rule opening [part=opening]
    {hero} <walks|walked> with {pet.a}.
    2* {hero} <walks|walked> with {animals.a}.
    {holder:=friend}{holder} <has|had> {count} {animals.s}, then {count.next}.
rule ending [part=ending]
    {!event} {!event}
rule event
    {^pet.the} <sings|sang>.
    {^hero.they} <is|was> {shade}.
    {friend} <smiles|smiled>.
rule mark
    ?
rule mark.f
    !
    ?
"""


def exact(grammar: Grammar) -> dict[str, float]:
    """P(text) by brute force: the sum over all enumerated derivations."""
    total: Counter[str] = Counter()
    for text, mass in grammar.enumerate():
        total[text] += math.exp(mass)
    return dict(total)


def random_grammar(rng: Random) -> str:
    """A small grammar over few letters, so that most texts have many derivations."""
    words = ["a", "b", "ab", "ba", "aa"]
    lines = ["list tenses", "    present, past", "list ab", "    a, b, ab", "list pick.a", "    b, ba"]
    lines += ["list pick.b", "    a", "list pick", "    aa, b", "list keys", "    a, b", "var tense = tenses"]
    lines += ["var x = ab", "var y = ab not x", "var k = keys", "var z = pick@k"]
    pieces = ["{x}", "{y}", "{z}", "{ab}", "{pick@k}", "{^x}", "<a|b>", "<ab{x}|{y}b>", "{y:=x}", *words]
    rules = ["start", "one", "two", "three"]
    for i, rule in enumerate(rules):
        lines.append(f"rule {rule}")
        for _ in range(rng.randint(2 if rule == "three" else 1, 3)):
            below = [f"{{{name}}}" for name in rules[i + 1 :]] * 3
            body = "".join(rng.choice(pieces + below) for _ in range(rng.randint(1, 3)))
            lines.append(f"    {rng.choice(['', '2* ', '0.5* '])}{body}")
    return "\n".join(lines)


def test_probability_of_every_text_equals_enumeration() -> None:
    grammar = Grammar.parse(SMALL)
    texts = exact(grammar)
    assert len(texts) > 100
    assert math.fsum(texts.values()) == pytest.approx(1, abs=1e-12)
    for text, p in texts.items():
        assert grammar.log_probability(text) == pytest.approx(math.log(p), abs=1e-9)


def test_ambiguous_texts_sum_their_derivations() -> None:
    grammar = Grammar.parse(SMALL)
    text = "Clara walks with a fox. Tom smiles. The fox sings."
    several = [mass for t, mass in grammar.enumerate() if t == text]
    assert len(several) >= 2
    assert grammar.log_probability(text) == pytest.approx(math.log(math.fsum(map(math.exp, several))), abs=1e-9)


@pytest.mark.parametrize("seed", range(25))
def test_random_grammars_equal_enumeration(seed: int) -> None:
    grammar = Grammar.parse(random_grammar(Random(seed)))
    texts = exact(grammar)
    assert math.fsum(texts.values()) == pytest.approx(1, abs=1e-9)
    for text, p in list(texts.items())[:150]:
        assert grammar.log_probability(text) == pytest.approx(math.log(p), abs=1e-9), text
    for text in ("c", "abc", "a" * 80):
        assert grammar.log_probability(text) == -math.inf


def test_sample_frequencies_agree_with_probabilities() -> None:
    grammar = Grammar.parse(SMALL)
    texts = exact(grammar)
    rng = Random(1)
    n = 8000
    counts = Counter(grammar.sample(rng).text for _ in range(n))
    assert set(counts) <= set(texts)
    common = [t for t, p in texts.items() if p * n >= 5]
    rest = n - sum(counts[t] for t in common)
    expected = [texts[t] * n for t in common]
    observed = [counts[t] for t in common]
    assert chisquare([*observed, rest], [*expected, n - sum(expected)]).pvalue > 0.001


def test_derivation_is_at_most_as_likely_as_its_text() -> None:
    grammar = Grammar.parse(SMALL)
    for seed in range(100):
        d = grammar.sample(Random(seed))
        assert d.log_probability <= grammar.log_probability(d.text) + 1e-9


def test_spans_hold_exactly_what_they_say() -> None:
    grammar = Grammar.parse(SMALL)
    words = {
        "people": {"Clara", "Tom"},
        "pronouns": {"She", "He"},
        "animals": {*"a fox|an owl|a goose|foxes|owls|geese|The fox|The owl|The goose".split("|")},
        "colours": {"red", "blue", "green"},
        "sizes": {"f", "m"},
        "counts": {"two", "three", "four"},
    }
    opening = re.compile(r"(Clara|Tom) (walks|walked|has|had) .*?\.")
    for seed in range(200):
        d = grammar.sample(Random(seed))
        by_value: dict[str, list[str]] = {}
        for s in d.spans:
            by_value.setdefault(s.value, []).append(d.text[s.start : s.end])
            if s.key == "slot":
                assert d.text[s.start : s.end] in words[s.value]
        found = opening.match(d.text) if len(d.text.split(". ")) == 3 else None
        assert by_value.get("opening", []) == ([found[0]] if found else [])
        begin = len(found[0]) + 1 if found else 0
        (ending,) = by_value["ending"]
        assert d.text[begin:].startswith(ending) and ending.count(".") == 2
        marked = [text for values in words for text in by_value.get(values, [])]
        names = re.findall(r"Clara|Tom|\bShe\b|\bHe\b|fox|owl|goose|geese|red|blue|green|two|three|four", d.text)
        assert sum(any(n in text for n in names) for text in marked if text not in "fm") == len(names)


def test_variables_stay_fixed_and_differ() -> None:
    grammar = Grammar.parse(SMALL)
    for seed in range(200):
        d = grammar.sample(Random(seed))
        assert d.latents.get("hero") != d.latents.get("friend")
        if "holder" in d.latents:
            assert d.latents["holder"] == d.latents["friend"]
        if "shade" in d.latents:
            assert d.latents["shade"] in {"f": ("red",), "m": ("blue", "green")}[d.latents["size"]]
        if (word := {"Clara": "He", "Tom": "She"}.get(d.latents.get("hero", ""))) is not None:
            assert not re.search(rf"\b{word}\b", d.text)
        tenses = {t for p, q in (("walks", "walked"), ("has", "had"), ("sings", "sang"), ("is", "was"))
                  for t, w in (("present", p), ("past", q)) if f" {w}" in d.text}  # fmt: skip
        assert tenses <= {d.latents.get("tense")}


def test_once_rules_are_never_repeated_and_may_run_out() -> None:
    grammar = Grammar.parse("rule start\n    {!e} {!e}\nrule e\n    x\n    y\n")
    assert exact(grammar) == pytest.approx({"x y": 0.5, "y x": 0.5})
    short = Grammar.parse("rule start\n    {!e} {!e}\nrule e\n    x\n")
    with pytest.raises(GrammarError, match="no unused alternative"):
        short.sample(Random(0))


def test_fixed_variables_condition_the_sample() -> None:
    grammar = Grammar.parse(SMALL)
    for seed in range(50):
        d = grammar.sample(Random(seed), hero="Tom", tense="past")
        assert (d.latents["hero"], d.latents["tense"]) == ("Tom", "past")
        assert not re.search(r"walks|sings|smiles|\bShe\b", d.text)
    with pytest.raises(GrammarError, match=r"'hero' cannot be 'Zoe': it is one of \['Clara', 'Tom'\]"):
        grammar.sample(Random(0), hero="Zoe")
    with pytest.raises(GrammarError, match="unknown variable 'villain'"):
        grammar.sample(Random(0), villain="Tom")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rule start\n    {nobody}\n", "unknown rule or list 'nobody'"),
        ("list a\n    x\nrule start\n    {a.the}\n", "has no form 'the'"),
        ("list a\n    x\nvar v = a\nrule start\n    {v.s}\n", "has no form 's'"),
        ("rule start\n    {a\n", "bracket is left over"),
        ("rule start\n    <a|b|c>\n", "bracket is left over"),
        ("rule start\n    <a|b>\n", "tense"),
        ("list a\n    x, y, x\nrule start\n    {a}\n", "'x' stands twice in list 'a'"),
        ("list a colour\n    x\nrule start\n    {a}\n", "unknown kind 'colour'"),
        ("list a person\n    Clara\nrule start\n    {a}\n", "a person reads 'Name f'"),
        ("list a number\n    many\nrule start\n    {a}\n", "'many'"),
        ("list a number\n    fifteen\nrule start\n    {a}\n", "'fifteen'"),
        ("var v = nothing\nrule start\n    x\n", "unknown rule or list 'nothing'"),
        ("list a\n    x\nvar v = a not w\nrule start\n    x\n", "unknown variable 'w'"),
        ("list a\n    x\nvar v = a@w\nrule start\n    x\n", "unknown variable 'w'"),
        ("list a\n    x\nvar v = a\nvar v = a\nrule start\n    x\n", "declared twice"),
        ("list a\n    x\nrule start\n    {v:=a}\n", "rule 'start'"),
        ("start\n    x\n", "line 1: a line starts with list, var or rule"),
        ("    x\n", "line 1: an indented line belongs to a list or a rule"),
        ("rule start\n    {a b}\n", "is not a reference"),
        ("rule begin\n    x\n", "start"),
        ("list a\n    x\nrule start\n    {b@a}\nrule b\n    y\n", "unknown variable 'a'"),
    ],
)
def test_wrong_grammars_are_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(GrammarError, match=re.escape(message)):
        Grammar.parse(text)
