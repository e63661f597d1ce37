"""The columns of a page of features hold what the table says, and what codes and steps give."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from reseed.activations import HeldOut
from reseed.matching import row_cosines
from reseed.measures import standardise
from reseed.reappearance.columns import BINS, STRONGEST, columns
from reseed.reappearance.coming_back import find
from reseed.reappearance.runs import Recipe, Run
from reseed.reappearance.table import table
from reseed.reappearance.texts import fires_on
from reseed.thresholds import FeatureRule

TOKENS, WIDTH = 120, 12
SIZES = (20, 20, 16)
STEPS = (0, 5, 10)


def drawn(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def not_read():
    """What only a consensus reads."""
    raise AssertionError("a page needs no whole dictionary")


def run(place):
    common = drawn(8, WIDTH, seed=1)
    end = torch.cat([common, drawn(SIZES[place] - 8, WIDTH, seed=10 + place)])
    x = drawn(TOKENS, WIDTH, seed=2)
    codes = (x @ torch.nn.functional.normalize(end, dim=1).T - 1).relu()
    codes[:, 3] = 0  # a dead one
    start = drawn(*end.shape, seed=20 + place)
    along = {step: lambda step=step: torch.lerp(start, end, step / STEPS[-1]) for step in STEPS}
    return Run(f"run{place}", end, end, standardise(codes), whole=not_read, along=along)


@pytest.fixture(scope="module")
def heldout():
    texts = tuple(f" word{token}" for token in range(TOKENS))
    return HeldOut(drawn(TOKENS, WIDTH, seed=2), texts=texts, contexts=torch.arange(TOKENS) // 10)


@pytest.fixture(scope="module")
def found():
    with ThreadPoolExecutor(1) as pool:
        return find(Recipe("recipe", tuple(map(run, range(3))), (), "signed"), FeatureRule(), pool)


@pytest.fixture(scope="module")
def made(found, heldout):
    return columns(found, table(found, None), heldout)


def unpacked(columns):
    """The numbers, read as a page does; one of an atom as it is, several as a row."""
    read = {each.name: np.frombuffer(each.content, "<" + each.type) for each in columns}
    return {
        each.name: read[each.name].reshape(sum(SIZES), -1) if each.entries > 1 else read[each.name] for each in columns
    }


def test_numbers_are_those_of_the_table(found, made):
    rows, numbers = table(found, None), unpacked(made.numbers)
    others = len(SIZES) - 1
    assert (numbers["back"] == np.rint(rows["reappearance"].to_numpy() * others)).all()
    assert (numbers["any"] == np.rint(rows["many_to_one"].to_numpy() * others)).all()
    for name in ("cosine", "code", "crowding"):
        wanted = rows[name].fill_null(-3.2768).to_numpy()
        assert np.abs(numbers[name] / 10_000 - wanted).max() <= 0.5e-4
    for name in ("neighbour", "class", "fired"):
        assert numbers[name].tolist() == rows[name].to_list()
    assert np.allclose(numbers["norm"], rows["norm"].to_numpy())
    assert "block" not in numbers


def test_partners_are_those_of_the_table_and_none_where_there_is_none(found, made):
    numbers = unpacked(made.numbers)
    for row, told in enumerate(table(found, None)["partners"].to_list()):
        place = next(i for i in range(3) if row < sum(SIZES[: i + 1]))
        others = [f"run{other}" for other in range(3) if other != place]
        wanted = {partner["run"]: partner for partner in told}
        for column, other in enumerate(others):
            partner = wanted.get(other)
            assert numbers["partner.atom"][row, column] == (-1 if partner is None else partner["atom"])
            if partner is not None:
                assert numbers["partner.cosine"][row, column] / 10_000 == pytest.approx(partner["cosine"], abs=1e-4)
                assert numbers["partner.code"][row, column] / 10_000 == pytest.approx(partner["code"], abs=1e-4)
                assert numbers["partner.rank"][row, column] == partner["rank"]
                assert bool(numbers["partner.back"][row, column]) == partner["back"]
    assert (numbers["partner.atom"] == -1).sum() == 2 * (SIZES[0] - SIZES[2])  # two runs have atoms too many for it


def test_histograms_count_every_token_that_fires(found, made):
    numbers = unpacked(made.numbers)
    assert (numbers["histogram"].sum(axis=1) == numbers["fired"]).all()
    codes = found.recipe.runs[0].codes
    values = codes.values[codes.ends[5] : codes.ends[6]].numpy()
    assert numbers["largest"][5] == pytest.approx(values.max())
    assert numbers["histogram"][5].tolist() == np.histogram(values, BINS, (0, values.max()))[0].tolist()
    assert numbers["fired"][3] == 0
    assert numbers["histogram"][3].sum() == 0


def test_the_strongest_tokens_are_those_whose_texts_are_told(found, made, heldout):
    numbers = unpacked(made.numbers)
    for atom in range(SIZES[0]):
        codes = found.recipe.runs[0].codes
        told = fires_on(codes, atom, heldout.texts, heldout.windows, most=STRONGEST)
        places = [token for token in numbers["strongest"][atom] if token >= 0]
        assert [f"⟦word{token}⟧" in text for token, text in zip(places, told, strict=True)] == [True] * len(told)
        reached = numbers["reached"][atom][: len(places)]
        assert (np.diff(reached.astype(int)) <= 0).all()
        assert not places or reached[0] == 255


def test_cosines_along_training_are_those_of_the_steps(found, made):
    along = unpacked(made.along)
    runs = found.recipe.runs
    assert made.about["steps"] == list(STEPS)
    own = along["own"][: SIZES[0]]
    for at, step in enumerate(STEPS):
        wanted = row_cosines(runs[0].along[step](), runs[0].atoms)
        assert np.abs(own[:, at] / 100 - wanted.numpy()).max() <= 0.5e-2
    met = along["met"].reshape(sum(SIZES), 2, len(STEPS))
    partner = int(unpacked(made.numbers)["partner.atom"][7, 1])
    for at, step in enumerate(STEPS):
        wanted = row_cosines(runs[0].along[step]()[7:8], runs[2].along[step]()[partner : partner + 1])
        assert met[7, 1, at] / 100 == pytest.approx(float(wanted), abs=0.5e-2)


def test_without_codes_texts_or_steps_the_columns_are_fewer(found):
    bare = Recipe(
        "recipe",
        tuple(Run(each.label, each.atoms, None, None, whole=not_read) for each in found.recipe.runs),
        (),
        "signed",
    )
    with ThreadPoolExecutor(1) as pool:
        alone = find(bare, FeatureRule(), pool)
    made = columns(alone, table(alone, None), None)
    assert {each.name for each in made.numbers}.isdisjoint({"code", "fired", "mass", "histogram", "strongest"})
    assert made.along == ()
    assert made.about["steps"] == []
    assert made.about["code"] is None


def test_codes_without_texts_have_histograms_and_no_tokens(found):
    names = {each.name for each in columns(found, table(found, None), None).numbers}
    assert "histogram" in names
    assert "strongest" not in names
