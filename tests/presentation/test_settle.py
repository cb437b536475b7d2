"""What is settled shows the same, as lists and of one revision."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import plotly.graph_objects as go
import plotly.io
import pytest

from explorer.presentation import settle


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, np.int32])
def test_arrays_become_lists_of_the_same_numbers(kind: type) -> None:
    x, size = np.array([0.25, 1.5, 3], kind), np.array([3, 4, 5], kind)
    figure = go.Figure(go.Scatter(x=x, y=[1, 2, 3], marker={"size": size}, error_y={"array": x}))
    settle(figure)
    said = json.loads(plotly.io.to_json(figure))
    trace = said["data"][0]
    assert trace["x"] == trace["error_y"]["array"] == x.tolist()
    assert trace["marker"]["size"] == size.tolist()
    assert said["layout"]["datarevision"] == 1


def test_what_is_no_number_stays_a_gap_and_words_stay_words() -> None:
    words = np.array(["a", "b"])
    figure = go.Figure(go.Scatter(x=np.array([1.0, np.nan]), y=[1, 2], text=words, customdata=words[None]))
    settle(figure)
    settle(figure)
    trace = json.loads(plotly.io.to_json(figure))["data"][0]
    assert (trace["x"], trace["text"], trace["customdata"]) == ([1.0, None], ["a", "b"], [["a", "b"]])


def test_single_precision_keeps_its_digits() -> None:
    figure = go.Figure(go.Scattergl(x=np.array([1 / 3, 100.12345, 2e-9], np.float32)))
    settle(figure)
    assert json.loads(plotly.io.to_json(figure))["data"][0]["x"] == pytest.approx([1 / 3, 100.12345, 2e-9], rel=1e-5)


def test_several_people_settle_one_figure_at_once() -> None:
    def shown(figure: go.Figure) -> str:
        settle(figure)
        return str(plotly.io.to_json(figure))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as people:
            for _ in range(10):
                numbers = np.arange(400.0)
                figure = go.Figure([go.Scatter(x=numbers, y=numbers) for _ in range(6)])
                said = set(people.map(shown, [figure] * 4))
                assert len(said) == 1
                assert all(trace["x"] == numbers.tolist() for trace in json.loads(said.pop())["data"])
    finally:
        sys.setswitchinterval(before)
