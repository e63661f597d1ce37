"""What large objects look like in a notebook: a line, or a small table, and nothing of it is markup of others."""

import re

import pytest
import torch
from rich.pretty import pretty_repr

import reseed
from reseed._support.brief import brief
from reseed.activations.synthetic import planted
from studies import arm, matrix, study

LINE = 800


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")
    arms = [arm("topk", name=f"topk-{i}", start={"kind": "random"}) for i in range(3)]
    training = {"steps": 1, "batch_size": 20, "evenly": 1, "device": "cpu"}
    small = study(matrix(folder / "acts.npy", 300), *arms, name="<b>\x1b[8m", training=training, starts=1)
    return small, reseed.run(small, folder / "study", quiet=True)


def test_nothing_public_floods_a_notebook(judged):
    small, findings = judged
    activations = reseed.open_activations(small.activations)
    tokens = planted(600, 17, n_atoms=33, active=3).rows
    matching = reseed.match(tokens[:300], tokens[300:])
    geometry = reseed.geometry.measure(tokens, dictionaries=(tokens[:40], tokens[40:80]), preprocess=("none", "centre"))
    shown = (
        findings, findings.conditions[0], findings.conditions[0].agreement, small, activations, activations.moments,
        activations.heldout, activations.matrix, reseed.preprocessed(activations, "whiten"), matching, geometry,
        reseed.read_dictionary(tokens),
    )  # fmt: skip
    for each in shown:
        for said in (repr(each), str(each), pretty_repr(each).replace("\n", " ")):
            assert len(re.sub(r"\s+", " ", said)) < LINE, type(each)
            assert "tensor(" not in said
            assert "\x1b" not in said
    assert "rows=int64[300]" in repr(matching)


def test_findings_are_a_small_table_of_text(judged):
    _, findings = judged
    shown = findings._repr_html_()
    assert len(shown) < 3000
    assert all(f"<td><bdi>{name}</bdi></td>" in shown for name in findings.verdicts)
    assert "&lt;b&gt;\\x1b[8m" in shown
    assert set(re.findall(r"</?(\w+)", shown)) == {"div", "b", "p", "bdi", "table", "thead", "tbody", "tr", "th", "td"}


def test_a_condition_without_pairs_has_a_row_of_its_own(judged):
    _, findings = judged
    alone = findings.conditions[0].model_copy(update={"measures": {}})
    shown = findings.model_copy(update={"conditions": (alone,)})._repr_html_()
    assert shown.count("<bdi>n/a</bdi>") == 5


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.zeros(3, 4), "float32[3, 4]"),
        ("a" * 300, repr("a" * 79 + "…")),
        ((1, 2), "(1, 2)"),
        ((1,), "(1,)"),
        ((), "()"),
        (tuple(range(9)), "<9 int>"),
        ({str(i): i for i in range(9)}, "<9: 0, 1, 2, 3, …>"),
        (None, "None"),
    ],
)
def test_a_value_is_told_in_a_few_words(value, said):
    assert brief(value) == said
