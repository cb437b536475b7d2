"""A small engine for story grammars: sample a document, label its characters, and compute its exact probability.

A grammar is text (see `storybook/`). A document is one derivation of the rule `start`; its latent variables
are drawn when first needed and then stay fixed, which is what makes names, places, tense and counts agree over a whole
text.

    list animal noun                  a list of records of one kind (plain, person, noun, number), separated by commas
        fox, owl, goose/geese
    var pet = animal not friend       a variable: drawn uniformly from a list, different from other variables
    var sight = sight@place           …from the list `sight.<value of place>`
    rule opening [part=opening]       alternatives, one on each line, `3* ` in front is a weight; a tag labels them
        {hero} <walks|walked> home with {pet.a}.

    {hero} {hero.they} {^pet.a}       a variable's form; ^ makes the first letter a capital. People have they, them,
                                      their, theirs, themself; nouns a, the, s (plural); plain words a; numbers
                                      next, prev, digit
    {animal.s}                        a fresh draw from a list (never remembered)
    {opening}  {feeling@mood}         a rule; the rule `feeling.<value of mood>`, or `feeling` where that does not exist
    {!event}                          a rule whose alternatives are never used twice in one document
    {holder:=friend}                  emits nothing: from here on `holder` is the same record as `friend`
    <walks|walked>                    by the value of the variable `tense`: present | past
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from explorer.text.tales.grammar_declarations import Declarations
from explorer.text.tales.grammar_nodes import (
    Assign,
    Capital,
    Derivation,
    ExpansionState,
    GrammarError,
    Lit,
    Node,
    Record,
    Ref,
    Span,
    Tag,
    Tense,
    Use,
)
from explorer.text.tales.grammar_parser import parse

Option = tuple[float, tuple[Node, ...], ExpansionState]
Stack = tuple[Node, "Stack"] | None
Hypothesis = tuple[Stack, ExpansionState]


@dataclass
class Grammar(Declarations):
    """A grammar whose declarations fit together. `parse` makes one from text; documents are drawn and scored by it."""

    index: dict[str, int] = field(default_factory=dict)
    """Place of each variable in a state."""
    exclusive: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The variables whose records a variable must not take."""

    @classmethod
    def parse(cls, *texts: str) -> Grammar:
        """The grammar that the texts describe together. Raises GrammarError with the line that is wrong."""
        said = parse(*texts)
        grammar = cls(said.lists, said.variables, said.rules)
        grammar.check()
        grammar.index = {name: i for i, name in enumerate(grammar.variables)}
        for name, variable in grammar.variables.items():
            others = [v.name for v in grammar.variables.values() if name in v.different]
            grammar.exclusive[name] = (*variable.different, *others)
        return grammar

    def value(self, state: ExpansionState, var: str) -> Record | None:
        """The record that a variable holds in a state, None while it is not drawn."""
        return state.bound[self.index[var]]

    def _bind(self, state: ExpansionState, var: str, record: Record) -> ExpansionState:
        i = self.index[var]
        return replace(state, bound=(*state.bound[:i], record, *state.bound[i + 1 :]))

    def _resolve(self, state: ExpansionState, name: str, by: tuple[str, ...]) -> str | None:
        """The rule or list that a name means now, or None if a selecting variable is not drawn yet."""
        full = name
        for var in by:
            record = self.value(state, var)
            if record is None:
                return None
            full = f"{full}.{record.text}"
        return full if full in self.rules or full in self.lists else name

    def _draw(self, state: ExpansionState, var: str, node: Node) -> list[Option]:
        """Every way to draw `var` now; `node` is tried again afterwards."""
        variable = self.variables[var]
        for needed in variable.by:
            if self.value(state, needed) is None:
                return self._draw(state, needed, node)
        name = self._resolve(state, variable.source, variable.by)
        assert name is not None
        # Exclusion works both ways: whichever of two different variables is drawn first is free.
        taken = [self.value(state, other) for other in self.exclusive[var]]
        records = [r for r in self.lists[name] if not any(r is t for t in taken)]
        return [(-math.log(len(records)), (node,), self._bind(state, var, r)) for r in records]

    def step(self, node: Node, state: ExpansionState) -> list[Option]:
        """Every way to take one node further: (log-probability, the nodes that replace it, the state after)."""
        match node:
            case Capital():
                return [(0.0, (), replace(state, capital=True))]
            case Tag():
                return [(0.0, (), state)]
            case Tense(present, past):
                tense = self.value(state, "tense")
                if tense is None:
                    return self._draw(state, "tense", node)
                return [(0.0, present if tense.text == "present" else past, state)]
            case Assign(target, source):
                record = self.value(state, source)
                if record is None:
                    return self._draw(state, source, node)
                return [(0.0, (), self._bind(state, target, record))]
            case Use(var, form):
                record = self.value(state, var)
                if record is None:
                    return self._draw(state, var, node)
                return [(0.0, (record.literal(form),), state)]
            case Ref(name, by, form, once):
                full = self._resolve(state, name, by)
                if full is None:
                    missing = next(v for v in by if self.value(state, v) is None)
                    return self._draw(state, missing, node)
                if full in self.lists:
                    records = self.lists[full]
                    cost = -math.log(len(records))
                    return [(cost, (r.literal(form),), state) for r in records]
                return self._expand(full, once, state)
        raise TypeError(f"{node} is emitted, not expanded")

    def _expand(self, name: str, once: bool, state: ExpansionState) -> list[Option]:
        choices = [(i, a) for i, a in enumerate(self.rules[name]) if not (once and (name, i) in state.used)]
        total = sum(a.weight for _, a in choices)
        if not choices:
            raise GrammarError(f"rule '{name}' has no unused alternative left")
        options: list[Option] = []
        for i, alternative in choices:
            after = replace(state, used=state.used | {(name, i)}) if once else state
            options.append((math.log(alternative.weight / total), alternative.nodes, after))
        return options

    def start(self) -> tuple[tuple[Node, ...], ExpansionState]:
        """The nodes and the state from which every document is derived."""
        return (Ref("start"),), ExpansionState(bound=(None,) * len(self.variables))

    def sample(self, rng: Random, **fixed: str) -> Derivation:
        """One document; `fixed` conditions on latent variables by value (e.g. genre="letter").

        The log-probability is that of this derivation given the fixed variables.
        Raises GrammarError for an unknown value.
        """
        nodes, state = self.start()
        for var, value in fixed.items():
            state = self._bind(state, var, self.record(var, value))
        stack: list[Node] = list(reversed(nodes))
        pieces: list[str] = []
        spans: list[Span] = []
        open_tags: dict[str, list[tuple[int, str]]] = {}
        position, log_probability = 0, 0.0
        while stack:
            node = stack.pop()
            if isinstance(node, Lit):
                text, state = _emit(node, state)
                if node.slot and text:
                    spans.append(Span(position, position + len(text), "slot", node.slot))
                pieces.append(text)
                position += len(text)
            elif isinstance(node, Tag):
                if node.value is not None:
                    open_tags.setdefault(node.key, []).append((position, node.value))
                else:
                    begin, value = open_tags[node.key].pop()
                    spans.append(Span(begin, position, node.key, value))
            else:
                options = self.step(node, state)
                option = options[0] if len(options) == 1 else _choose(options, rng)
                log_probability += option[0]
                stack.extend(reversed(option[1]))
                state = option[2]
        latents = {v: r.text for v, r in zip(self.variables, state.bound, strict=True) if r is not None}
        return Derivation("".join(pieces), latents, tuple(spans), log_probability)

    def record(self, var: str, value: str) -> Record:
        """The record of a variable by its text. Raises GrammarError with the values that exist."""
        if var not in self.variables:
            raise GrammarError(f"unknown variable '{var}': there are {sorted(self.variables)}")
        variable = self.variables[var]
        found = {r.text: r for n in self.meanings(variable.source, variable.by) for r in self.lists[n]}
        if value not in found:
            raise GrammarError(f"'{var}' cannot be '{value}': it is one of {sorted(found)}")
        return found[value]

    def log_probability(self, text: str) -> float:
        """log P(text), nats, summed over ALL derivations of the text; −inf if the grammar cannot make it.

        Exact: hypotheses (remaining nodes, state) are advanced by position and merged when equal, none is pruned.
        """
        nodes, state = self.start()
        agenda: dict[int, dict[Hypothesis, float]] = {0: {(_push(nodes, None), state): 0.0}}
        heap, total = [0], -math.inf
        while heap:
            position = heapq.heappop(heap)
            layer = agenda.pop(position, {})
            while layer:
                (stack, state), mass = layer.popitem()
                if stack is None:
                    if position == len(text):
                        total = _log_add(total, mass)
                    continue
                node, rest = stack
                if isinstance(node, Lit):
                    emitted, after = _emit(node, state)
                    if text.startswith(emitted, position):
                        end = position + len(emitted)
                        target = layer if end == position else agenda.setdefault(end, {})
                        if end != position and not target:
                            heapq.heappush(heap, end)
                        _add(target, (rest, after), mass)
                    continue
                for cost, replacement, after in self.step(node, state):
                    first = replacement[0] if replacement else None
                    if isinstance(first, Lit) and not text.startswith(_emit(first, after)[0], position):
                        continue
                    _add(layer, (_push(replacement, rest), after), mass + cost)
        return total

    def enumerate(self, limit: int = 1_000_000) -> Iterator[tuple[str, float]]:
        """Every derivation's (text, log-probability), for small grammars. Raises GrammarError above `limit` steps."""
        nodes, state = self.start()
        todo: list[tuple[str, Stack, ExpansionState, float]] = [("", _push(nodes, None), state, 0.0)]
        steps = 0
        while todo:
            steps += 1
            if steps > limit:
                raise GrammarError(f"more than {limit} steps: this grammar is too large to enumerate")
            text, stack, state, mass = todo.pop()
            if stack is None:
                yield text, mass
                continue
            node, rest = stack
            if isinstance(node, Lit):
                emitted, after = _emit(node, state)
                todo.append((text + emitted, rest, after, mass))
                continue
            for cost, replacement, after in self.step(node, state):
                todo.append((text, _push(replacement, rest), after, mass + cost))


def _add(layer: dict[Hypothesis, float], key: Hypothesis, mass: float) -> None:
    layer[key] = _log_add(layer[key], mass) if key in layer else mass


def _push(nodes: tuple[Node, ...], rest: Stack) -> Stack:
    for node in reversed(nodes):
        rest = (node, rest)
    return rest


def _log_add(a: float, b: float) -> float:
    low, high = min(a, b), max(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def _emit(node: Lit, state: ExpansionState) -> tuple[str, ExpansionState]:
    if state.capital and node.text:
        return node.text[0].upper() + node.text[1:], replace(state, capital=False)
    return node.text, state


def _choose(options: list[Option], rng: Random) -> Option:
    target, cumulative = rng.random(), 0.0
    for option in options:
        cumulative += math.exp(option[0])
        if target < cumulative:
            return option
    return options[-1]
