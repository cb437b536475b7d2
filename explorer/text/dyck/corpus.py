"""The corpus Dyck-3: the brackets of the paper's toy, whose models say their labels themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from explorer.text.contrast import Contrast, ReadyContrast
from explorer.text.corpus import Corpus, LabelHead, TextDocument
from explorer.text.dyck import contrasts as dyck_contrasts, language as dyck
from explorer.text.token_groups import TokenGroup

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor


@dataclass(frozen=True)
class Dyck3(Corpus):
    """Documents of the bracket grammar (`explorer.text.dyck.language`)."""

    kind: ClassVar[str] = "dyck3"
    has_labels: ClassVar[bool] = True
    probe_labels: ClassVar[tuple[str, ...]] = ("depth",)
    # Brackets nest: a prompt needs room for depth.
    prompt_tokens: ClassVar[int] = 32
    example: ClassVar[str] = "([]{()})[{}](({[]}))}([{}])"

    def documents(self, count: int | None = None) -> list[TextDocument]:
        """The documents, or the first `count`."""
        return list(dyck.documents(self.split, self.size if count is None else min(count, self.size)))

    def prompts(self, held_out: bool = True) -> list[str]:
        """Documents of the grammar."""
        n = dyck_contrasts.DOCUMENTS
        return [d.text for d in dyck.documents("example", n, n if held_out else 0)]

    @classmethod
    def groups(cls) -> tuple[TokenGroup, ...]:
        """The kinds of bracket, and depths of nesting."""
        kinds = [TokenGroup(b, (f"bracket={b}",), spans=False) for b in dyck.BRACKETS]
        depths = [TokenGroup(f"depth {i}", (f"depth={i}",), spans=False) for i in range(0, dyck.MAX_DEPTH + 1, 2)]
        return (*kinds, *depths)

    @classmethod
    def contrasts(cls) -> tuple[ReadyContrast, ...]:
        """The paper's three vectors."""
        return dyck_contrasts.PLANS

    @classmethod
    def _contrast(cls, name: str) -> Contrast:
        return dyck_contrasts.ready_contrast(name)

    @classmethod
    def label_heads(cls, ids: Int[Tensor, "n t"]) -> list[LabelHead]:
        """What the three heads should say of every bracket."""
        from explorer.text.dyck.heads import label_heads

        return label_heads(ids)
