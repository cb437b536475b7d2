"""What the stage shows: whole words and their probabilities, a planted rotation that is undone, a planted detector."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import pytest
import torch

from explorer.alignment.maps import ResidualMap
from explorer.alignment.orthogonal import haar
from explorer.alignment.site_maps import SiteMaps
from explorer.pipeline.stage_answer import choose_prompt, next_words
from explorer.pipeline.stage_detector import best_detector
from explorer.pipeline.stage_motion import GroupedRows, follow, plane, proper
from explorer.pipeline.stage_register import apart, register, three_directions
from explorer.study.library import open_study, shipped_studies
from explorer.study.stage_material import MOTION, STAGE, read_inside, read_material, read_motion
from explorer.study.study import Study
from explorer.text.token_groups import TokenGroup, group_tokens

D, STEPS = 16, tuple(i / 4 for i in range(5))


def map_of(matrix: torch.Tensor, source: torch.Tensor, target: torch.Tensor) -> ResidualMap:
    return ResidualMap(matrix.float(), source.mean(0), target.mean(0), matrix.T.float())


@pytest.fixture
def grouped() -> GroupedRows:
    """Rows of six groups in a model, and in another that holds them turned by a known rotation, and moved."""
    g = torch.Generator().manual_seed(0)
    group = torch.arange(6).repeat_interleave(12)
    a = 4 * torch.randn(6, D, generator=g)[group] + 0.3 * torch.randn(72, D, generator=g)
    turn = haar(D, 3, special=True).float()
    members = torch.nn.functional.one_hot(group, 6).bool()
    return GroupedRows([f"group {i}" for i in range(6)], members, a, (a - a.mean(0)) @ turn.T + 1.0)


def test_three_groups_lie_in_register_through_a_planted_rotation_and_not_through_another(grouped: GroupedRows) -> None:
    a, b = grouped.source, grouped.target
    said, places = register(grouped, SiteMaps({"rotated": map_of(haar(D, 3, special=True), a, b)}))
    assert said.names == [grouped.names[g] for g in apart(grouped)] and len(set(said.names)) == 3
    assert places.source.shape == places.target.shape == (36, 3) and said.group == sorted(said.group)
    size = float(abs(places.source).max())
    assert abs(places.source - places.target).max() < 0.01 * size and 0.5 < said.kept <= 1
    _, wrong = register(grouped, SiteMaps({"rotated": map_of(haar(D, 5, special=True), a, b)}))
    assert abs(wrong.source - wrong.target).max() > 0.3 * size


def test_the_three_groups_are_those_that_lie_apart_and_their_directions_hold_them() -> None:
    g = torch.Generator().manual_seed(1)
    middle = torch.zeros(5, D)
    middle[[1, 3, 4], [0, 1, 2]] = 9.0
    group = torch.arange(5).repeat_interleave(20)
    rows = middle[group] + 0.2 * torch.randn(100, D, generator=g)
    members = torch.nn.functional.one_hot(group, 5).bool()
    assert apart(GroupedRows(list("abcde"), members, rows, rows)) == [1, 3, 4]
    far = rows[torch.isin(group, torch.tensor([1, 3, 4]))]
    directions = three_directions(far - far.mean(0), torch.arange(3).repeat_interleave(20))
    assert torch.allclose(directions.T @ directions, torch.eye(3), atol=1e-5)
    planted = torch.eye(D)[:, :3] - torch.eye(D)[:, :3].mean(1, keepdim=True)
    held = directions[:, :2] @ directions[:, :2].T @ planted
    assert (held - planted).norm() < 0.05 * planted.norm()


def test_a_planted_rotation_ends_on_the_source_and_a_wrong_one_does_not(grouped: GroupedRows) -> None:
    a, b = grouped.source, grouped.target
    fitted = {
        "rotated": map_of(haar(D, 3, special=True), a, b),
        "shuffled": map_of(haar(D, 5, special=True), a, b),
    }
    said, points = follow(grouped, SiteMaps(fitted), STEPS)
    assert said.distance[0] == said.shuffled[0] == 1 and said.distance[-1] < 1e-3 < 0.5 < said.shuffled[-1]
    assert said.distance == sorted(said.distance, reverse=True), "the shortest path comes ever nearer"
    assert points.source.shape == (6, 2) and points.target.shape == points.wrong.shape == (5, 6, 2)
    assert abs(points.target[-1] - points.source).max() < 0.02 < abs(points.wrong[-1] - points.source).max()
    assert abs(points.word_target[-1] - points.word_source).max() < 0.02
    start = points.target[0] - points.target[0].mean(0)
    own = points.source - points.source.mean(0)
    quarter = torch.tensor(own.astype(float)) @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    error = min(float((torch.tensor(start.astype(float)) - s * quarter).norm()) for s in (1, -1))
    assert error < float(quarter.norm()), "it starts about a quarter turn away"


def test_a_shared_basis_is_drawn_as_it_is(grouped: GroupedRows) -> None:
    centroids = torch.stack([grouped.source[grouped.members[:, i]].mean(0) for i in range(6)])
    frame = plane(centroids, torch.eye(D))
    assert torch.allclose(frame.T @ frame, torch.eye(2), atol=1e-5)
    at = (centroids - centroids.mean(0)) @ frame
    angles = torch.atan2(at[:, 1], at[:, 0])
    turned = torch.remainder(angles - angles[0], 2 * math.pi)
    step = torch.remainder(turned[1:] - turned[:-1] + math.pi, 2 * math.pi) - math.pi
    assert (step.sign() == step[0].sign()).all(), "round a clock in their order"


def test_a_reflection_is_made_a_rotation_where_the_rows_vary_least() -> None:
    g = torch.Generator().manual_seed(1)
    a = torch.randn(400, D, generator=g) * torch.linspace(0.01, 2, D)
    mirror = haar(D, 2, special=True)
    mirror[:, 3] *= -1
    made = proper(map_of(mirror, a, a), a)
    assert torch.linalg.det(made.matrix) == pytest.approx(1, abs=1e-4)
    b = (a - a.mean(0)) @ mirror.T.float()
    assert float((b @ made.matrix - (a - a.mean(0))).norm() / a.norm()) < 0.02
    same = proper(made, a)
    assert torch.equal(same.matrix, made.matrix), "a rotation stays as it is"


class Speller:
    """A tokenizer that reads nothing and joins pieces as they are."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = pieces

    def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
        return {"input_ids": []}

    def decode(self, ids: Sequence[int], **_: object) -> str:
        return "".join(self.pieces[i] for i in ids)


class Spelled:
    """A model of a few tokens whose next ones are known, with the tokenizer's face that is used."""

    pieces = (" ha", "rbour", "t", " the", ".", "\n")
    after: ClassVar = {
        (): {0: 0.6, 3: 0.3, 5: 0.1},
        (0,): {1: 0.7, 2: 0.3},
        (3,): {4: 1.0},
        (0, 1): {4: 0.5, 3: 0.5},
        (0, 2): {4: 1.0},
    }
    vocabulary = len(pieces)

    def __init__(self) -> None:
        self.tokenizer = Speller(self.pieces)

    def logits(self, ids: torch.Tensor) -> torch.Tensor:
        known = self.after[tuple(ids[0, 1:].tolist())]
        return torch.tensor([[[math.log(known.get(k, 1e-9)) for k in range(self.vocabulary)]]])


def test_words_are_whole_and_their_probabilities_are_those_of_all_their_tokens() -> None:
    found = next_words(Spelled(), torch.tensor([4]), 4)  # type: ignore[arg-type]
    assert [(w.text, w.probability) for w in found] == [("harbour", 0.42), ("the", 0.3), ("hat", 0.18), ("¶", 0.1)]


def test_the_best_detector_is_of_the_first_group_if_that_has_a_good_one() -> None:
    members = torch.zeros(40, 2, dtype=torch.bool)
    members[:10, 0], members[20:30, 1] = True, True
    fires = torch.zeros(40, 3, dtype=torch.bool)
    fires[:8, 1], fires[20:30, 2] = True, True
    assert best_detector(fires, members) == (1, 0, pytest.approx(2 * 8 / 18))
    fires[2:8, 1] = False
    assert best_detector(fires, members) == (2, 1, pytest.approx(1.0))


def test_tokens_are_grouped_by_their_labels_and_words() -> None:
    study = open_study("tales")
    chunks, documents = study.chunks(6), study.corpus.documents(6)
    tokenizer = study.load_model("seed0").tokenizer
    groups = [*study.corpus.groups(), TokenGroup("full stops", words=(".",))]
    found = group_tokens(groups, documents, chunks, tokenizer)
    text = [[tokenizer.decode([i]).strip() for i in chunks.ids[found[..., g]].tolist()] for g in range(len(groups))]
    days = text[[g.name for g in groups].index("weekdays")]
    assert days and all(day.endswith("day") for day in days), "the last token of each"
    assert set(text[-1]) == {"."} and not (found & ~chunks.scored[..., None]).any()


def recorded() -> Iterator[Any]:
    for name in shipped_studies():
        study = open_study(name)
        yield from (pytest.param(study, p.source, p.target, id=f"{p.source}-{p.target}") for p in study.file.pairs)


@pytest.mark.parametrize(("study", "source", "target"), recorded())
def test_every_shipped_pair_has_its_material(study: Study, source: str, target: str) -> None:
    folder = study.pair_path(source, target)
    assert sum((folder / name).stat().st_size for name in (STAGE, MOTION)) <= 72 * 1024
    found = read_material(study, source, target)
    assert found is not None and found.answer is not None
    for words in (found.answer.source, found.answer.target):
        shares = [w.probability for w in words]
        assert len(words) == 5 and shares == sorted(shares, reverse=True) and sum(shares) <= 1
    for site in study.sites:
        inside, motion = (read(study, source, target, site) for read in (read_inside, read_motion))
        assert inside is not None and inside.shape == (2, study.file.d_model)
        said, detector = found.turned[site.name], found.detectors[site.name]
        assert motion is not None and motion.target.shape == (21, len(said.groups), 2)
        assert len(detector.words) == len(detector.own) == len(detector.rotated) and max(detector.own) == 1
        if target == "twin":
            assert said.distance[-1] < 0.02 and detector.rotated == pytest.approx(detector.own, abs=0.02)
            assert found.answer.target == pytest.approx(found.answer.source) or [
                w.text for w in found.answer.source
            ] == [w.text for w in found.answer.target]


def test_the_recorded_answer_is_what_the_model_says() -> None:
    study = open_study("tales")
    stored = json.loads((study.pair_path("seed0", "seed1") / STAGE).read_text())["answer"]
    model = study.load_model("seed1")
    begun = torch.cat(
        [
            study.chunks(1).ids[0, :1],
            torch.tensor(model.tokenizer(stored["prompt"], add_special_tokens=False)["input_ids"]),
        ]
    )
    assert [w.text for w in next_words(model, begun)] == [w["text"] for w in stored["target"]]


def test_the_prompt_begins_a_test_document_and_the_target_has_no_say() -> None:
    study = open_study("dyck3")
    prompt = choose_prompt(study.load_model("A0"), study.chunks(40).split("test"))
    assert prompt is not None and set(prompt.text) <= set("•()[]{}") and len(prompt.text) > 8
