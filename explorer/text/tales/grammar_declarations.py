"""What the texts of a grammar declare: lists, variables and rules; and whether they fit together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from explorer.text.tales.grammar_nodes import Alternative, Assign, GrammarError, Node, Record, Ref, Tense, Use, Variable


@dataclass
class Declarations:
    """Everything that a grammar names."""

    lists: dict[str, tuple[Record, ...]] = field(default_factory=dict)
    """Records to draw from, by the list's name."""
    variables: dict[str, Variable] = field(default_factory=dict)
    """Latent variables by name."""
    rules: dict[str, tuple[Alternative, ...]] = field(default_factory=dict)
    """Alternatives by the rule's name."""

    def check(self) -> None:
        """Raise GrammarError if a rule, list, variable or form is named that does not exist."""
        if "start" not in self.rules:
            raise GrammarError("there is no rule 'start'")
        for name, alternatives in self.rules.items():
            for alternative in alternatives:
                for node in _flatten(alternative.nodes):
                    self._check_node(name, node)
        for variable in self.variables.values():
            for other in (*variable.by, *variable.different):
                if other not in self.variables:
                    raise GrammarError(f"variable '{variable.name}': unknown variable '{other}'")
            self.meanings(variable.source, variable.by)

    def _check_node(self, rule: str, node: Node) -> None:
        try:
            if isinstance(node, Ref):
                for name in self.meanings(node.name, node.by):
                    for record in self.lists.get(name, ()):
                        record.form(node.form)
            elif isinstance(node, Use):
                variable = self.variables[node.var]
                for name in self.meanings(variable.source, variable.by):
                    for record in self.lists[name]:
                        record.form(node.form)
            elif isinstance(node, Assign):
                _ = self.variables[node.target], self.variables[node.source]
            elif isinstance(node, Tense) and "tense" not in self.variables:
                raise KeyError("tense")
        except (KeyError, GrammarError) as error:
            raise GrammarError(f"rule '{rule}': {error}") from error

    def meanings(self, name: str, by: tuple[str, ...]) -> list[str]:
        """Every rule or list that a name can mean, over the values of the variables that select it."""
        names = [name]
        for var in by:
            if var not in self.variables:
                raise GrammarError(f"unknown variable '{var}'")
            source = self.variables[var]
            if source.by:
                raise GrammarError(f"'{var}' selects '{name}' but is itself selected")
            names = [f"{stem}.{record.text}" for stem in names for record in self.lists[source.source]]
        names = [n if n in self.rules or n in self.lists else name for n in names]
        for n in names:
            if n not in self.rules and n not in self.lists:
                raise GrammarError(f"unknown rule or list '{n}'")
        return names


def _flatten(nodes: tuple[Node, ...]) -> Iterator[Node]:
    for node in nodes:
        yield node
        if isinstance(node, Tense):
            yield from _flatten(node.present)
            yield from _flatten(node.past)
