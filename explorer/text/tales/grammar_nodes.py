"""What a grammar is made of: records, nodes, variables, alternatives; and what a derivation remembers."""

from __future__ import annotations

from dataclasses import dataclass

PRONOUNS = {
    "f": {"they": "she", "them": "her", "their": "her", "theirs": "hers", "themself": "herself"},
    "m": {"they": "he", "them": "him", "their": "his", "theirs": "his", "themself": "himself"},
}


class GrammarError(ValueError):
    """The grammar's text is wrong: an unknown name, an empty rule, a field that a record does not have."""


@dataclass(frozen=True, eq=False)
class Record:
    """One entry of a list, with the forms in which a text may use it; compared by identity."""

    text: str
    forms: dict[str, str]
    source: str

    def form(self, name: str) -> str:
        """The form `name` ("" is the plain text). Raises GrammarError if this record has none."""
        if name not in self.forms:
            raise GrammarError(
                f"'{self.text}' of list '{self.source}' has no form '{name}': it has {sorted(self.forms)}"
            )
        return self.forms[name]

    def literal(self, name: str) -> Lit:
        """The form as a node; its slot is the list it came from, or "pronouns"."""
        return Lit(self.form(name), "pronouns" if name in PRONOUNS["f"] else self.source.split(".")[0])


@dataclass(frozen=True)
class Lit:
    """Text that is emitted as it stands; `slot` names the list it came from ("" for a pattern's own words)."""

    text: str
    slot: str = ""


@dataclass(frozen=True)
class Ref:
    """Expand a rule, or draw from a list: its name, the variables that select it, a field, and its flags."""

    name: str
    by: tuple[str, ...] = ()
    form: str = ""
    once: bool = False


@dataclass(frozen=True)
class Use:
    """Emit a form of a variable."""

    var: str
    form: str = ""


@dataclass(frozen=True)
class Assign:
    """Make variable `target` the record of variable `source`."""

    target: str
    source: str


@dataclass(frozen=True)
class Tense:
    """One of two sequences, by the variable `tense`."""

    present: tuple[Node, ...]
    past: tuple[Node, ...]


@dataclass(frozen=True)
class Capital:
    """The next character that is emitted becomes a capital."""


@dataclass(frozen=True)
class Tag:
    """A label starts (`value` set) or ends (`value` None) here."""

    key: str
    value: str | None


Node = Lit | Ref | Use | Assign | Tense | Capital | Tag


@dataclass(frozen=True)
class Variable:
    """A latent variable: the list it is drawn from, the variables that select that list, those it must differ from."""

    name: str
    source: str
    by: tuple[str, ...]
    different: tuple[str, ...]


@dataclass(frozen=True)
class Alternative:
    """One line of a rule: its share of the rule's weight, and its nodes."""

    weight: float
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class ExpansionState:
    """What a derivation remembers: a record (or None) per variable, the alternatives used, a pending capital."""

    bound: tuple[Record | None, ...]
    used: frozenset[tuple[str, int]] = frozenset()
    capital: bool = False


@dataclass(frozen=True)
class Span:
    """Characters [start, end) carry the label `key` = `value`."""

    start: int
    end: int
    key: str
    value: str


@dataclass(frozen=True)
class Derivation:
    """A sampled document: its text, latent variables, labelled spans, and the log-probability of this derivation."""

    text: str
    latents: dict[str, str]
    spans: tuple[Span, ...]
    log_probability: float
