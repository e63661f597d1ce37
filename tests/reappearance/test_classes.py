"""Classes of atoms over runs: against the rule spelt out, whatever the order, and where matchings contradict."""

import time
from fractions import Fraction
from itertools import combinations, product

import pytest
import torch

from reseed.reappearance import Links, classes


def chance(rolled):
    return torch.Generator().manual_seed(rolled)


def links(n_runs, pairs):
    """Links between two runs from {((run, atom), (run, atom)): strength}; runs in ascending order."""
    found = []
    for first, second in combinations(range(n_runs), 2):
        here = [(a[1], b[1], s) for (a, b), s in pairs.items() if (a[0], b[0]) == (first, second)]
        rows, cols, strengths = zip(*here, strict=True) if here else ((), (), ())
        numbers = torch.tensor(rows, dtype=torch.long), torch.tensor(cols, dtype=torch.long)
        found.append(Links(first, second, *numbers, torch.tensor(strengths, dtype=torch.float64)))
    return found


def drawn(sizes, rolled, *, linked=0.7):
    """Random one-to-one pairs between every two runs, with strengths that do not tie."""
    generator, pairs = chance(rolled), {}
    for first, second in combinations(range(len(sizes)), 2):
        n_pairs = int(linked * min(sizes[first], sizes[second]))
        rows, cols = (torch.randperm(sizes[run], generator=generator)[:n_pairs].tolist() for run in (first, second))
        # half of the partners have the same number, so that there is something to find
        strengths = (0.5 + 0.5 * torch.rand(n_pairs, generator=generator)).tolist()
        if rolled % 2:
            rows = cols = sorted({*rows, *cols} & set(range(min(sizes[first], sizes[second]))))[:n_pairs]
        pairs |= {((first, a), (second, b)): s for a, b, s in zip(rows, cols, strengths, strict=False)}
    return pairs


def by_the_rule(sizes, pairs):
    """Classes as sets of (run, atom), merged one by one in exact fractions."""
    strength = {frozenset(ends): Fraction(round(s * 2**40), 2**40) for ends, s in pairs.items()}
    found = [frozenset({(run, atom)}) for run, size in enumerate(sizes) for atom in range(size)]
    while True:
        best = None
        for x, y in combinations(found, 2):
            across = [strength.get(frozenset(ends)) for ends in product(x, y)]
            held = [each for each in across if each is not None]
            if {run for run, _ in x} & {run for run, _ in y} or 3 * len(held) < len(across):
                continue
            key = (-sum(held) / len(across), *sorted((min(x), min(y))))
            best = min(best or (key, x, y), (key, x, y))
        if best is None:
            return set(found)
        found = [each for each in found if each not in best[1:]] + [best[1] | best[2]]


def as_sets(found):
    return {frozenset((run, int(atom)) for run, atom in enumerate(members) if atom >= 0) for members in found.members}


@pytest.mark.parametrize("rolled", range(24))
def test_classes_are_those_of_the_rule(rolled):
    sizes = [(3, 3, 3), (4, 2, 3, 4), (3, 3, 3, 3, 3), (0, 5, 5)][rolled % 4]
    pairs = drawn(sizes, rolled)
    assert as_sets(classes(sizes, links(len(sizes), pairs))) == by_the_rule(sizes, pairs)


def test_linkages_that_tie_are_settled_by_the_lowest_atom():
    sizes = (3, 3, 3, 3)
    for rolled in range(8):
        pairs = {ends: 0.5 + round(s) / 4 for ends, s in drawn(sizes, rolled).items()}
        assert as_sets(classes(sizes, links(4, pairs))) == by_the_rule(sizes, pairs)


@pytest.mark.parametrize("rolled", range(6))
def test_the_order_of_runs_and_of_atoms_changes_nothing(rolled):
    sizes, n_runs = (30, 25, 30, 20), 4
    pairs = drawn(sizes, rolled)
    runs = torch.randperm(n_runs, generator=chance(rolled)).tolist()
    atoms = [torch.randperm(size, generator=chance(rolled + run)).tolist() for run, size in enumerate(sizes)]

    def moved(end):
        return runs[end[0]], atoms[end[0]][end[1]]

    there = {tuple(sorted((moved(a), moved(b)))): s for (a, b), s in pairs.items()}
    sizes_there = [size for _, size in sorted(zip(runs, sizes, strict=True))]
    here, other = classes(sizes, links(n_runs, pairs)), classes(sizes_there, links(n_runs, there)[::-1])
    assert {frozenset(map(moved, each)) for each in as_sets(here)} == as_sets(other)
    assert torch.equal(here.strengths, other.strengths)
    assert (here.links, here.broken) == (other.links, other.broken)


@pytest.mark.parametrize("rolled", range(6))
def test_every_atom_is_in_one_class_and_no_class_has_two_of_a_run(rolled):
    sizes = (40, 30, 35, 40, 10)
    found = classes(sizes, links(5, drawn(sizes, rolled)))
    for run, size in enumerate(sizes):
        members = found.members[:, run]
        assert sorted(members[members >= 0].tolist()) == list(range(size))
        assert torch.equal(found.members[found.of(run), run], torch.arange(size))
    order = list(zip(-found.appearances, -found.strengths, strict=True))
    assert order == sorted(order)


def test_one_missing_link_does_not_split_a_class_and_one_false_link_does_not_join_two():
    four = [(run, 0) for run in range(4)]
    square = {ends: 0.9 for ends in combinations(four, 2) if ends != ((0, 0), (3, 0))}
    whole = classes((1, 1, 1, 1), links(4, square))
    assert whole.members.tolist() == [[0, 0, 0, 0]]
    assert whole.strengths.item() == pytest.approx(0.9 * 5 / 6)
    two = classes((1, 1, 1, 1), links(4, {(four[0], four[1]): 0.9, (four[2], four[3]): 0.8, (four[1], four[2]): 0.7}))
    assert two.members.tolist() == [[0, 0, -1, -1], [-1, -1, 0, 0]]
    assert (two.links, two.broken) == (3, 1)


def test_matchings_that_contradict_each_other_are_settled_by_strength():
    # 0 goes with 1, 1 with 2, and 0 with another atom of run 2
    pairs = {((0, 0), (1, 0)): 0.9, ((1, 0), (2, 0)): 0.95, ((0, 0), (2, 1)): 0.4}
    found = classes((1, 1, 2), links(3, pairs))  # 0.9 / 2 is more than 0.4
    assert found.members.tolist() == [[0, 0, 0], [-1, -1, 1]]
    assert found.broken == 1
    assert found.appearances.tolist() == [3, 1]
    assert found.reappearance.tolist() == [1, 0]
    pairs[(0, 0), (2, 1)] = 0.5
    assert classes((1, 1, 2), links(3, pairs)).members.tolist() == [[-1, 0, 0], [0, -1, 1]]


def test_without_links_or_atoms_there_is_nothing_to_join():
    alone = classes((2, 0, 1), links(3, {}))
    assert alone.members.tolist() == [[0, -1, -1], [1, -1, -1], [-1, -1, 0]]
    assert alone.strengths.tolist() == [0, 0, 0]
    assert classes((0, 0), links(2, {})).members.shape == (0, 2)
    assert classes((3,), []).reappearance.isnan().all()


@pytest.mark.parametrize(
    ("sizes", "pairs", "told"),
    [
        ((2, 2), {((0, 2), (1, 0)): 0.5}, "outside the 2 of run 0"),
        ((2, 2), {((0, 0), (1, 0)): 0.5, ((0, 1), (1, 0)): 0.6}, "an atom of run 1 has two links"),
        ((2, 2), {((0, 0), (1, 0)): 1.5}, r"not in \(0, 1\]"),
        ((2, 2), {((0, 0), (1, 0)): 0.0}, r"not in \(0, 1\]"),
        ((2, -1), {}, "at least 0 atoms"),
    ],
)
def test_what_is_no_matching_is_refused(sizes, pairs, told):
    with pytest.raises(ValueError, match=told):
        classes(sizes, links(len(sizes), pairs))


def test_every_two_runs_have_their_links_once():
    pairs = links(3, {})
    for given in (pairs[:-1], [*pairs, pairs[0]]):
        with pytest.raises(ValueError, match="pass them once for every two of 3 runs"):
            classes((1, 1, 1), given)


def test_six_runs_of_4096_atoms_take_little_time_where_almost_no_class_is_whole():
    size, n_runs = 4096, 6
    own = [torch.randperm(size, generator=chance(run)) for run in range(n_runs)]
    found = []
    for pair, (first, second) in enumerate(combinations(range(n_runs), 2)):
        kept = torch.rand(size, generator=chance(100 + pair)) < 0.6
        strengths = (0.7 + 0.3 * torch.rand(size, generator=chance(200 + pair)))[kept]
        found.append(Links(first, second, own[first][kept], own[second][kept], strengths))
    started = time.process_time()
    whole = classes([size] * n_runs, found)
    assert time.process_time() - started < 10  # two, on a machine that has nothing else to do
    assert (whole.members >= 0).sum() == size * n_runs
