"""Read the text of a grammar; its language is explained in `explorer.text.tales.grammar`."""

from __future__ import annotations

import re

from explorer.text.tales.grammar_declarations import Declarations
from explorer.text.tales.grammar_nodes import (
    PRONOUNS,
    Alternative,
    Assign,
    Capital,
    GrammarError,
    Lit,
    Node,
    Record,
    Ref,
    Tag,
    Tense,
    Use,
    Variable,
)

_NUMBERS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()

_HEADER = re.compile(r"(list|var|rule)\s+(.+)")
_VAR = re.compile(r"(\w+)\s*=\s*(\w+)((?:@\w+)*)(?:\s+not\s+(.+))?$")
_RULE = re.compile(r"([\w.]+)((?:\s*\[\w+=[\w ]+\])*)$")
_WEIGHT = re.compile(r"(\d+(?:\.\d+)?)\*\s+(.*)")


def parse(*texts: str) -> Declarations:
    """The lists, variables and rules that the texts declare together. Raises GrammarError with the wrong line."""
    said = Declarations()
    for text in texts:
        _read_text(text, said)
    for name, alternatives in said.rules.items():
        said.rules[name] = tuple(Alternative(a.weight, _with_variables(a.nodes, said)) for a in alternatives)
    return said


def _with_variables(nodes: tuple[Node, ...], said: Declarations) -> tuple[Node, ...]:
    """The same nodes, with every reference to a variable's name made a use of that variable."""
    named: list[Node] = []
    for node in nodes:
        if isinstance(node, Ref) and node.name in said.variables:
            node = Use(node.name, node.form)
        elif isinstance(node, Tense):
            node = Tense(_with_variables(node.present, said), _with_variables(node.past, said))
        named.append(node)
    return tuple(named)


def _read_text(text: str, said: Declarations) -> None:
    header: tuple[str, str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            if not line[0].isspace():
                found = _HEADER.match(line.strip())
                if not found:
                    raise GrammarError("a line starts with list, var or rule, or is indented")
                header = (found[1], found[2])
                if found[1] == "var":
                    _read_variable(found[2], said)
            elif header and header[0] == "list":
                _read_records(header[1], line.strip(), said)
            elif header and header[0] == "rule":
                _read_alternative(header[1], line.strip(), said)
            else:
                raise GrammarError("an indented line belongs to a list or a rule")
        except GrammarError as error:
            raise GrammarError(f"line {number}: {error}: {line.strip()[:80]}") from error


def _read_variable(declaration: str, said: Declarations) -> None:
    found = _VAR.match(declaration)
    if not found:
        raise GrammarError("a variable reads: var name = list@selector not other other")
    by = tuple(v for v in (found[3] or "").split("@") if v)
    if found[1] in said.variables:
        raise GrammarError(f"variable '{found[1]}' is declared twice")
    said.variables[found[1]] = Variable(found[1], found[2], by, tuple((found[4] or "").split()))


def _read_records(declaration: str, line: str, said: Declarations) -> None:
    name, _, kind = declaration.partition(" ")
    records = [_record(entry.strip(), kind.strip() or "plain", name) for entry in line.split(",") if entry.strip()]
    known = {r.text for r in said.lists.get(name, ())}
    for record in records:
        if record.text in known:
            raise GrammarError(f"'{record.text}' stands twice in list '{name}'")
        known.add(record.text)
    said.lists[name] = (*said.lists.get(name, ()), *records)


def _record(entry: str, kind: str, source: str) -> Record:
    """A record from its entry: `Clara f` (person), `goose/geese` (noun), `three` (number), any text (plain)."""
    if kind == "plain":
        return Record(entry, {"": entry, "a": _article(entry)}, source)
    if kind == "person":
        name, _, gender = entry.rpartition(" ")
        if gender not in PRONOUNS:
            raise GrammarError(f"a person reads 'Name f' or 'Name m', not '{entry}'")
        return Record(name, {"": name, **PRONOUNS[gender]}, source)
    if kind == "noun":
        word, _, plural = entry.partition("/")
        forms = {"": word, "a": _article(word), "the": f"the {word}", "s": plural or _plural(word)}
        return Record(word, forms, source)
    if kind == "number":
        if entry not in _NUMBERS[:-1]:
            raise GrammarError(f"'{entry}' is not a number from one to {_NUMBERS[-2]}")
        i = _NUMBERS.index(entry)
        forms = {"": entry, "next": _NUMBERS[i + 1], "prev": _NUMBERS[i - 1], "digit": str(i + 1)}
        return Record(entry, forms, source)
    raise GrammarError(f"unknown kind '{kind}': plain, person, noun or number")


def _article(word: str) -> str:
    return f"an {word}" if word[0].lower() in "aeiou" else f"a {word}"


def _plural(word: str) -> str:
    if re.search(r"(s|x|z|ch|sh)$", word):
        return word + "es"
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + "s"


def _read_alternative(declaration: str, line: str, said: Declarations) -> None:
    found = _RULE.match(declaration)
    if not found:
        raise GrammarError("a rule reads: rule name [key=value]")
    weighted = _WEIGHT.match(line)
    weight, body = (float(weighted[1]), weighted[2]) if weighted else (1.0, line)
    nodes = _nodes(body)
    for key, value in re.findall(r"\[(\w+)=([\w ]+)\]", found[2]):
        nodes = (Tag(key, value), *nodes, Tag(key, None))
    said.rules[found[1]] = (*said.rules.get(found[1], ()), Alternative(weight, nodes))


_PIECE = re.compile(r"\{([^{}]*)\}|<([^<>|]*)\|([^<>|]*)>")


def _nodes(body: str) -> tuple[Node, ...]:
    nodes: list[Node] = []
    position = 0
    body = body.replace("\\n", "\n")
    for piece in _PIECE.finditer(body):
        if piece.start() > position:
            nodes.append(Lit(body[position : piece.start()]))
        position = piece.end()
        if piece[1] is None:
            nodes.append(Tense(_nodes(piece[2]), _nodes(piece[3])))
        else:
            nodes.extend(_reference(piece[1]))
    if position < len(body):
        nodes.append(Lit(body[position:]))
    for node in nodes:
        if isinstance(node, Lit) and re.search(r"[{}<>|]", node.text):
            raise GrammarError(f"a bracket is left over in '{node.text}'")
    return tuple(nodes)


_REFERENCE = re.compile(r"(\^?)(!?)(\w+)((?:@\w+)*)(?:\.(\w+))?$")


def _reference(text: str) -> list[Node]:
    if ":=" in text:
        target, source = text.split(":=")
        return [Assign(target.strip(), source.strip())]
    found = _REFERENCE.match(text)
    if not found:
        raise GrammarError(f"'{{{text}}}' is not a reference")
    capital, flag, name, by, form = found.groups()
    node = Ref(name, tuple(v for v in by.split("@") if v), form or "", once=flag == "!")
    return [Capital(), node] if capital else [node]
