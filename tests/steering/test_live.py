"""Live steering: jobs stream, stop at once, keep to themselves, and say what is wrong; the verdict's rule."""

import threading
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
import torch
from background import Clock, until

from explorer.alignment.maps import ResidualMap
from explorer.alignment.orthogonal import haar
from explorer.alignment.site_maps import SiteMaps
from explorer.alignment.twin import make_twin, twin_rotation
from explorer.errors import InputError
from explorer.jobs import JobState, Queue
from explorer.models.sites import Site
from explorer.presentation.steering import captions as steering_sentences
from explorer.steering import lane_job, lanes as live
from explorer.steering.decoding import Positions, Sampling
from explorer.steering.generation import Lane, LaneToken, generate, stream
from explorer.steering.lane_job import LaneJob
from explorer.steering.lanes import Steering, build_lanes
from explorer.steering.vector_spec import VectorSpec, parse_vector
from explorer.steering.vectors import unit

PROMPT = "Once there was a gardener"
ARMS = ("none", "raw", "rotated", "affine", "shuffled", "translated", "random")


def linear(matrix: torch.Tensor) -> ResidualMap:
    d = len(matrix)
    return ResidualMap(matrix.float(), torch.zeros(d), torch.zeros(d), matrix.T.float().contiguous())


def site_maps(r: torch.Tensor) -> SiteMaps:
    """Maps as if fitted: R rotates, the affine map also stretches, the others are what their names say."""
    d = len(r)
    eye, shuffled = torch.eye(d, dtype=torch.float64), haar(d, 5)
    stretch = torch.diag(torch.linspace(0.5, 2, d, dtype=torch.float64))
    found = {"raw": eye, "translated": eye, "rotated": r, "special": r, "affine": r @ stretch}
    found |= {"shuffled": shuffled, "shuffled_special": shuffled, "random": haar(d, 6)}
    return SiteMaps({name: linear(matrix) for name, matrix in found.items()})


@pytest.fixture
def twins(tokenizer: Any) -> Steering:
    """A tiny Llama, its twin, and a vector strong enough to change what it writes."""
    source = tiny.model("llama", tokenizer)
    target = make_twin(source, seed=3)
    v = unit(torch.randn(source.d_model))
    r = twin_rotation(source.d_model, 3).T
    return Steering(source, target, Site(1, source.n_layers), v, site_maps(r), (6.0, 6.0))


def test_on_the_twin_the_rotated_lane_writes_what_the_source_writes(twins: Steering) -> None:
    greedy = Sampling(temperature=0, new_tokens=40)
    for v_seed in range(3):
        torch.manual_seed(v_seed)
        steering = replace(twins, vector=unit(torch.randn(twins.source.d_model)))
        texts = generate(build_lanes(steering, ARMS, 0.8), steering.site, PROMPT, greedy)
        assert texts["rotated"] == texts["source+v"] != texts["source"]
        assert texts["none"] == texts["source"]
        assert texts["raw"] == texts["translated"] != texts["rotated"]


def test_lanes_carry_the_dose_in_the_norms_of_the_model_that_they_steer(twins: Steering) -> None:
    steering = replace(twins, norms=(2.0, 5.0), native=unit(torch.ones(twins.source.d_model)))
    lanes = {lane.key: lane for lane in build_lanes(steering, (*ARMS, "native"), -0.4, seed=1)}
    assert list(lanes) == ["source", "source+v", *ARMS, "native"]
    added = {key: lane.vector for key, lane in lanes.items() if lane.vector is not None}
    assert set(lanes) - set(added) == {"source", "none"}
    for key, vector in added.items():
        assert float(vector.norm()) == pytest.approx(0.8 if key == "source+v" else 2.0, rel=1e-5), key
        assert lanes[key].model is (steering.source if key == "source+v" else steering.target)
    assert torch.allclose(added["raw"], -2.0 * steering.vector)
    assert torch.allclose(added["rotated"], -2.0 * steering.vector @ twin_rotation(24, 3).float(), atol=1e-5)
    again = build_lanes(steering, ("random",), -0.4, seed=2)[-1].vector
    assert again is not None and not torch.allclose(added["random"], again)


@pytest.mark.parametrize("dose", [0.81, -3.0, float("nan")])
def test_doses_outside_the_range_are_refused(twins: Steering, dose: float) -> None:
    with pytest.raises(InputError, match=r"is outside −0.8 … 0.8 median norms"):
        build_lanes(twins, ARMS, dose)


def test_a_native_lane_needs_a_native_vector(twins: Steering) -> None:
    with pytest.raises(InputError, match="no vector of its own"):
        build_lanes(twins, ("native",), 0.4)


def test_a_job_streams_and_ends_with_what_generate_writes(twins: Steering) -> None:
    lanes, sampling = build_lanes(twins, ARMS, 0.6), Sampling(new_tokens=30, seed=4)
    running = LaneJob(lanes, twins.site, PROMPT, sampling)
    lengths = set()
    while running.running:
        lengths.add(running.snapshot().tokens)
    end = running.wait(120)
    assert end.state == JobState.DONE and not running.alive and not end.message
    assert dict(end.texts) == generate(lanes, twins.site, PROMPT, sampling)
    assert len(lengths) > 2
    assert 0 < end.tokens <= 30 * len(lanes) and end.seconds > 0
    assert tiny.hooks(twins.source) == tiny.hooks(twins.target) == 0


def test_stop_holds_at_once(twins: Steering) -> None:
    running = LaneJob(build_lanes(twins, ARMS, 0.6), twins.site, PROMPT, Sampling(new_tokens=400))
    until(lambda: running.snapshot().tokens)
    running.stop()
    shown = running.snapshot()
    assert shown.state == JobState.STOPPED and not running.running
    assert running.wait(5) == shown and not running.alive
    assert shown.tokens < 400 * (2 + len(ARMS))
    running.stop()
    assert running.snapshot() == shown


def test_stop_writes_at_most_the_token_that_is_being_made(monkeypatch: pytest.MonkeyPatch, twins: Steering) -> None:
    made: list[int] = []
    go_on = threading.Semaphore(5)

    def slow(*_: Any) -> Any:
        for i in range(400):
            assert go_on.acquire(timeout=120)
            made.append(i)
            yield [LaneToken("source", 1, "x" * i, False)]

    monkeypatch.setattr(lane_job, "stream", slow)
    running = LaneJob(build_lanes(twins, (), 0.6), twins.site, PROMPT, Sampling(new_tokens=400))
    until(lambda: len(made) == 5)
    running.stop()
    before = len(made)
    go_on.release(400)
    running.wait(5)
    assert 0 < len(made) <= before + 1


@pytest.mark.slow
def test_jobs_at_the_same_time_write_what_each_writes_alone(twins: Steering) -> None:
    def lanes(seed: int) -> list[Lane]:
        torch.manual_seed(seed)
        return build_lanes(replace(twins, vector=unit(torch.randn(twins.source.d_model))), ARMS, 0.7, seed)

    samplings = [Sampling(new_tokens=40, seed=s, temperature=0.9) for s in range(4)]
    alone = [generate(lanes(s), twins.site, PROMPT, samplings[s]) for s in range(4)]
    jobs = [LaneJob(lanes(s), twins.site, PROMPT, samplings[s]) for s in range(4)]
    together = [dict(job.wait(60).texts) for job in jobs]
    assert together == alone
    assert len({texts["source+v"] for texts in alone}) == 4
    assert tiny.hooks(twins.source) == tiny.hooks(twins.target) == 0


@pytest.mark.slow
def test_ten_sessions_on_one_model_write_what_each_writes_alone(twins: Steering) -> None:
    def lanes(seed: int) -> list[Lane]:
        torch.manual_seed(seed)
        return build_lanes(
            replace(twins, vector=unit(torch.randn(twins.source.d_model))), ("raw", "rotated"), 0.7, seed
        )

    def tokens(seed: int) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for step in stream(lanes(seed), twins.site, PROMPT, samplings[seed]):
            for t in step:
                found.setdefault(t.key, []).append(t.id)
        return found

    samplings = [Sampling(new_tokens=24, seed=s, temperature=0.9) for s in range(10)]
    alone = [tokens(s) for s in range(10)]
    jobs = [LaneJob(lanes(s), twins.site, PROMPT, samplings[s], watched=True, patience=30) for s in range(10)]
    together = sum(j.snapshot().state == JobState.RUNNING for j in jobs)
    assert all(j.wait(60).state == JobState.DONE for j in jobs)
    assert [j._ids for j in jobs] == alone
    assert together > 1 and len({tuple(own["source+v"]) for own in alone}) == 10
    assert tiny.hooks(twins.source) == tiny.hooks(twins.target) == 0


@pytest.mark.parametrize("positions", list(Positions))
def test_continue_writes_what_a_longer_run_would_have(twins: Steering, positions: Positions) -> None:
    lanes = build_lanes(twins, ARMS, 0.6)

    def written(new_tokens: int) -> LaneJob:
        made = LaneJob(lanes, twins.site, PROMPT, Sampling(0.9, 2, new_tokens), positions=positions, watched=True)
        made.wait(120)
        return made

    long, short = written(40), written(20)
    assert short.snapshot().can_continue and short.snapshot().texts != long.snapshot().texts
    short.more()
    assert short.running
    end = short.wait(120)
    assert end.state == JobState.DONE and dict(end.texts) == dict(long.snapshot().texts)
    assert end.tokens == long.snapshot().tokens
    for key, pieces in long.snapshot().pieces.items():
        assert [p.text for p in end.pieces[key]] == [p.text for p in pieces]
        assert [p.kl for p in end.pieces[key]] == pytest.approx([p.kl for p in pieces], abs=1e-3)
        assert "".join(p.text for p in pieces) == end.texts[key].rstrip("\ufffd")


def test_a_stopped_job_goes_on_and_says_when_it_cannot(twins: Steering) -> None:
    running = LaneJob(build_lanes(twins, ARMS, 0.6), twins.site, PROMPT, Sampling(new_tokens=60, seed=3))
    until(lambda: running.snapshot().tokens >= 40)
    running.stop()
    shown = running.snapshot()
    running.more()
    end = running.wait(120)
    assert all(end.texts[key].startswith(text) for key, text in shown.texts.items())
    assert end.tokens > shown.tokens
    failed = LaneJob(build_lanes(twins, ARMS, 0.6), twins.site, "", Sampling())
    failed.wait(120)
    assert not failed.snapshot().can_continue
    failed.more()
    assert failed.snapshot().state == JobState.FAILED


def test_work_that_nobody_looks_at_pauses_and_goes_on(twins: Steering) -> None:
    lanes, sampling = build_lanes(twins, ARMS, 0.6), Sampling(new_tokens=400, seed=1, temperature=1.2)
    clock = Clock()
    queue = Queue(1, clock)
    running = LaneJob(lanes, twins.site, PROMPT, sampling, patience=0.3, queue=queue)
    until(lambda: running._now.tokens)
    clock.now += 1.0
    until(lambda: running._job.state == JobState.WAITING)
    paused = running._now.tokens
    other = LaneJob(lanes, twins.site, PROMPT, Sampling(new_tokens=5), queue=queue)
    assert other.wait(120).state == JobState.DONE, "a paused job keeps no place in the queue"
    assert running._now.tokens == paused < 400 * len(lanes), "it worked unseen"
    until(lambda: running.snapshot().tokens > paused)
    running.stop()
    running.wait(5)
    assert not running.alive


def test_several_sites_and_weights_add_up(twins: Steering) -> None:
    low = replace(twins, site=Site(0, 3), vector=2 * twins.vector)
    one, two = build_lanes(low, ARMS, 0.2), build_lanes(twins, ARMS, 0.2)
    both = build_lanes([low, twins], ARMS, 0.2)
    for a, b, c in zip(one, two, both, strict=True):
        assert a.key == b.key == c.key
        if c.vector is None:
            assert a.vector is None
            continue
        assert a.vector is not None and b.vector is not None
        assert torch.equal(c.vector, torch.stack([a.vector, b.vector])) or c.key == "random"
        assert float(c.vector[0].norm()) == pytest.approx(2 * float(c.vector[1].norm()), rel=1e-4)


@pytest.mark.parametrize(
    ("prompt", "sampling", "message"),
    [
        ("", Sampling(), "the prompt is empty"),
        ("word " * 300, Sampling(), "tokens, at most 200 are allowed"),
        (PROMPT, Sampling(temperature=9), "temperature 9 is outside"),
        (PROMPT, Sampling(new_tokens=100_000), "100000 new tokens are outside"),
    ],
)
def test_bad_input_ends_a_job_with_its_reason(twins: Steering, prompt: str, sampling: Sampling, message: str) -> None:
    end = LaneJob(build_lanes(twins, ARMS, 0.4), twins.site, prompt, sampling).wait(120)
    assert end.state == JobState.FAILED and message in end.message and not any(end.texts.values())


def test_an_unforeseen_error_ends_a_job_calmly(twins: Steering, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(lane_job, "stream", broken)
    end = LaneJob(build_lanes(twins, (), 0.4), twins.site, PROMPT, Sampling()).wait(120)
    assert end.state == JobState.FAILED
    assert "RuntimeError" in end.message and "secret" not in end.message


def test_effects_are_those_of_the_steered_model_on_the_unsteered_text(twins: Steering) -> None:
    typical = live.feature_tokens(twins.source, twins.vector)
    assert not set(typical.positive.tolist()) & set(typical.negative.tolist())
    lanes, sampling = build_lanes(twins, ARMS, 0.8), Sampling(temperature=0, new_tokens=30)
    effects = LaneJob(lanes, twins.site, PROMPT, sampling, typical).wait(120).effects
    assert set(effects) == {"source+v", *ARMS} - {"none"}
    assert effects["source+v"].m > 0.5
    # What the vector raises by the direct path it also raises in all, and the twin's rotated lane is A's own.
    assert effects["rotated"].m == pytest.approx(effects["source+v"].m, abs=1e-3)
    assert effects["rotated"].loss_rise == pytest.approx(effects["source+v"].loss_rise, abs=1e-3)
    assert effects["raw"].m != pytest.approx(effects["source+v"].m, abs=0.05)
    nothing = build_lanes(twins, ("none", "raw"), 0.0)
    still = live.lane_effects(nothing, twins.site, PROMPT, {"source": "", "none": ""}, typical)
    assert still["raw"].m == pytest.approx(0, abs=1e-6) and still["raw"].loss_rise == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("contrast:sea", VectorSpec("sea", None)),
        ("feature:417", VectorSpec(None, 417)),
        (" 417 ", VectorSpec(None, 417)),
    ],
)
def test_vector_names(text: str, found: VectorSpec) -> None:
    assert parse_vector(text) == found
    assert parse_vector(str(found)) == found


@pytest.mark.parametrize("text", ["", "sea", "feature:", "feature:-1", "feature:x", "contrast:", "file:417", "<b>"])
def test_names_of_no_vector_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="names no vector"):
        parse_vector(text)


def test_the_line_under_a_lane_has_no_minus_zero() -> None:
    line = steering_sentences.lane_effect(live.LaneEffect(-0.001, -0.002)).replace("\u00a0", " ")
    assert line == "effect +0.00, loss +0 %"
    line = steering_sentences.lane_effect(live.LaneEffect(-1.234, 0.126)).replace("\u00a0", " ")
    assert line == "effect −1.23, loss +13 %"


Say = Callable[[Any, bool], str]


def test_status_lines() -> None:
    say: Say = steering_sentences.status
    shown = SimpleNamespace(state="running", tokens=12, seconds=1.5, message="")
    assert say(None, False).startswith("Nothing is written yet: press Write it live")
    assert say(shown, False) == "Writing … 12 tokens in 1.5 s."
    assert say(SimpleNamespace(**{**vars(shown), "state": "stopped"}), False).startswith("Stopped: 12 tokens")
    assert "the pale text is of before" in say(SimpleNamespace(**{**vars(shown), "state": "done"}), True)
    failed = SimpleNamespace(**{**vars(shown), "state": "failed", "message": "the prompt is empty"})
    assert say(failed, False) == "Nothing was written: the prompt is empty."
    assert say(failed, True).startswith("Nothing is written yet: press Write it live")
