from dataclasses import replace

import pytest
import torch

from reseed.activations import open_activations, preprocessed
from reseed.dice import DICE, roll
from reseed.errors import SpecError
from reseed.methods import METHODS, parse
from reseed.starts import STARTS, Start, check_start, draw, draw_points, points_identity
from studies import little_memory, required

N_ATOMS, D_MODEL = 10, 6
TOPK = parse({"kind": "topk", "n_atoms": N_ATOMS, "k": 2, "decoder_bias": False})
BIASED = parse({"kind": "topk", "n_atoms": N_ATOMS, "k": 2})
RA_TOPK = parse({"kind": "ra-topk", "n_atoms": N_ATOMS, "k": 2})

DRAWN = [kind for kind in STARTS if STARTS[kind].dice]  # the others have no chance in them


@pytest.fixture(scope="module")
def seen():
    chance = torch.Generator().manual_seed(0)
    return preprocessed(open_activations(5 * torch.randn(600, D_MODEL, generator=chance) + 3), "none")


def rolls(run=0, **others):
    return {die: roll(die, others.get(die, run)) for die in DICE}


def same_rows(a, b):
    return torch.equal(torch.unique(a, dim=0), torch.unique(b, dim=0))


@pytest.mark.parametrize("kind", DRAWN)
def test_equal_rolls_start_at_the_same_bits_and_other_rolls_elsewhere(seen, kind):
    start = Start(kind=kind)
    first, again, other = (draw(start, TOPK, seen, rolls(run)).atoms for run in (0, 0, 1))
    assert first.shape == (N_ATOMS, D_MODEL)
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (not STARTS[kind].dice)


@pytest.mark.parametrize("kind", DRAWN)
def test_a_start_listens_to_the_dice_that_it_names_and_no_others(seen, kind):
    def drawn(**others):
        point = draw(Start(kind=kind), TOPK, seen, rolls(**others))
        return torch.cat([point.atoms, *([] if point.encoder is None else [point.encoder])])

    reference = drawn()
    heard = {die for die in DICE if not torch.equal(reference, drawn(**{die: 1}))}
    assert heard == set(STARTS[kind].dice) == Start(kind=kind).dice


def test_the_table_has_every_kind_under_its_own_name():
    assert list(STARTS) == [kind.name for kind in STARTS.values()]
    assert {"random", "data", "kmeans", "kmeans-permuted"} <= STARTS.keys()
    assert all(kind.title and kind.meaning and not kind.meaning.endswith(".") for kind in STARTS.values())


def test_a_kind_gives_either_atoms_or_points():
    with pytest.raises(ValueError, match="start kind 'both': give it either atoms or points"):
        replace(STARTS["random"], name="both", points=STARTS["data"].points)
    with pytest.raises(ValueError, match="start kind 'none': give it either atoms or points"):
        replace(STARTS["random"], name="none", atoms=None)


@pytest.mark.parametrize("kind", ["data", "kmeans-permuted"])
def test_a_start_takes_memory_in_proportion_to_its_atoms_and_not_to_their_square(seen, kind):
    many = 20_000
    points = torch.randn(many, D_MODEL, generator=torch.Generator().manual_seed(0))
    method = parse({"kind": "topk", "n_atoms": many, "k": 2, "decoder_bias": False})
    with little_memory(2**26):  # 64 MiB; a weight for every atom and point would be 1.5 GiB
        point = draw(Start(kind=kind), method, seen, rolls(), points=points)
    assert same_rows(point.atoms, points)


@pytest.mark.parametrize("weights", ["identity", "random-rows", "dirichlet"])
@pytest.mark.parametrize("n_points", [N_ATOMS, 25])
def test_a_start_is_the_product_of_its_weights_and_points_to_the_bit(seen, weights, n_points):
    start = Start(kind="data", n_points=n_points, weights=weights)
    points = draw_points(start, RA_TOPK, seen, rolls())
    points[::2, ::3] = -0.0
    mixed = draw(start, RA_TOPK, seen, rolls(), points=points)
    assert mixed.atoms.numpy().tobytes() == (mixed.weights @ points).numpy().tobytes()
    if weights == "identity":
        assert draw(start, TOPK, seen, rolls(), points=points).atoms.numpy().tobytes() == mixed.atoms.numpy().tobytes()


@pytest.mark.parametrize("weights", ["random-rows", "dirichlet"])
def test_drawn_weights_listen_to_the_init_die(seen, weights):
    start = Start(kind="data", weights=weights)
    reference = draw(start, RA_TOPK, seen, rolls()).atoms
    assert (
        {die for die in DICE if not torch.equal(reference, draw(start, RA_TOPK, seen, rolls(**{die: 1})).atoms)}
        == start.dice
        == {"points", "init"}
    )


def test_random_atoms_are_isotropic_at_the_scale_of_the_activations(seen):
    method = parse({"kind": "topk", "n_atoms": 4000, "k": 2})
    atoms = draw(Start(kind="random"), method, seen, rolls()).atoms / seen.scale
    torch.testing.assert_close(atoms.T @ atoms / 4000, torch.eye(D_MODEL), rtol=0, atol=0.1)
    assert atoms.mean(0).abs().max() < 0.1


def test_a_data_start_consists_of_different_training_rows(seen):
    atoms = draw(Start(kind="data"), TOPK, seen, rolls()).atoms
    rows = seen.rows(torch.arange(seen.n_tokens))
    places = [(rows == atom).all(1).nonzero().item() for atom in atoms]
    assert len(set(places)) == N_ATOMS


def test_archetypal_and_free_methods_start_at_the_same_dictionary(seen):
    for kind in ("data", "kmeans"):
        free, mixed = (draw(Start(kind=kind), method, seen, rolls()) for method in (TOPK, RA_TOPK))
        assert torch.equal(free.atoms, mixed.atoms)
        assert torch.equal(mixed.points, mixed.atoms)


@pytest.mark.parametrize("kind", ["data", "kmeans", "kmeans-permuted", "kmeans++"])
def test_points_for_a_method_with_a_decoder_bias_are_less_that_bias(seen, kind):
    plain, biased = (draw(Start(kind=kind), method, seen, rolls()) for method in (TOPK, BIASED))
    torch.testing.assert_close(biased.atoms, plain.atoms - seen.moments.mean.float())
    bias = BIASED.parameters(BIASED.initialise(biased, 0))["decoder_bias"][0]
    torch.testing.assert_close(biased.atoms + bias, plain.atoms, rtol=0, atol=1e-4)


def test_atoms_beyond_the_points_stay_zero_when_a_decoder_bias_is_subtracted(seen):
    point = draw(Start(kind="data", n_points=7, allow_fewer_points=True), BIASED, seen, rolls())
    assert (point.atoms.norm(dim=1) == 0).tolist() == [False] * 7 + [True] * 3


@pytest.mark.parametrize("kind", [name for name in DRAWN if not STARTS[name].keeps_mean])
def test_with_a_decoder_bias_a_start_is_the_same_whether_preprocessing_has_centred_or_not(seen, kind):
    centred = preprocessed(seen.activations, "centre")
    start = Start(kind=kind)
    torch.testing.assert_close(
        draw(start, BIASED, seen, rolls()).atoms, draw(start, BIASED, centred, rolls()).atoms, rtol=1e-5, atol=1e-4
    )


def test_permuted_points_are_those_of_kmeans_in_another_order(seen):
    plain = draw(Start(kind="kmeans"), TOPK, seen, rolls()).atoms
    permuted = draw(Start(kind="kmeans-permuted"), TOPK, seen, rolls()).atoms
    assert not torch.equal(plain, permuted)
    assert same_rows(plain, permuted)


def test_identity_weights_take_the_first_points(seen):
    point = draw(Start(kind="data", n_points=25), RA_TOPK, seen, rolls())
    assert torch.equal(point.atoms, point.points[:N_ATOMS])
    assert torch.equal(point.weights, torch.eye(N_ATOMS, 25))


def test_random_rows_give_each_atom_a_point_of_its_own(seen):
    point = draw(Start(kind="data", n_points=25, weights="random-rows"), RA_TOPK, seen, rolls())
    assert (point.weights.sum(1) == 1).all()
    assert point.weights.sum(0).max() == 1
    assert not torch.equal(point.atoms, point.points[:N_ATOMS])


def test_with_as_many_points_as_atoms_random_rows_are_only_a_permutation(seen):
    plain, drawn = (draw(Start(kind="data", weights=w), RA_TOPK, seen, rolls()) for w in ("identity", "random-rows"))
    assert same_rows(plain.atoms, drawn.atoms)


@pytest.mark.parametrize(("concentration", "largest"), [(0.01, (0.7, 1.0)), (100.0, (0.0, 0.1))])
def test_dirichlet_weights_are_mixtures_as_even_as_their_concentration(seen, concentration, largest):
    start = Start(kind="data", n_points=25, weights="dirichlet", concentration=concentration)
    weights = draw(start, RA_TOPK, seen, rolls()).weights
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(N_ATOMS))
    low, high = largest
    assert low < weights.max(1).values.mean() < high


def test_fewer_points_than_atoms_are_refused_unless_asked_for(seen):
    with pytest.raises(SpecError, match="leaves 3 of 10 atoms at zero"):
        draw(Start(kind="data", n_points=7), RA_TOPK, seen, rolls())
    for method in (TOPK, RA_TOPK):
        for weights in {"identity", "identity" if method is TOPK else "random-rows"}:
            start = Start(kind="data", n_points=7, weights=weights, allow_fewer_points=True)
            atoms = draw(start, method, seen, rolls()).atoms
            assert (atoms.norm(dim=1) == 0).sum() == 3
            assert atoms.isfinite().all()


def test_an_archetypal_method_cannot_start_at_random():
    with pytest.raises(
        SpecError,
        match=r"mixes points, so it cannot start at random: "
        r"use data, kmeans, kmeans-permuted, furthest-sum or kmeans\+\+",
    ):
        check_start(Start(kind="random"), RA_TOPK)


def test_mixing_weights_need_a_method_that_mixes():
    with pytest.raises(SpecError, match="topk has no mixing weights: leave out weights = 'dirichlet'"):
        check_start(Start(kind="data", weights="dirichlet"), TOPK)


@pytest.mark.parametrize("kind", METHODS)
def test_every_method_can_start_from_data_and_kmeans(kind):
    method = parse({"kind": kind, "n_atoms": N_ATOMS, **required(kind, k=2, reads=3)})
    for start in ("data", "kmeans", "kmeans-permuted", "kmeans++"):
        check_start(Start(kind=start), method)


def test_more_points_than_activations_are_refused(seen):
    with pytest.raises(SpecError, match="n_points = 541 of 540 activations"):
        draw(Start(kind="data", n_points=541), RA_TOPK, seen, rolls())


def test_kmeans_needs_a_token_for_each_point(seen):
    with pytest.raises(SpecError, match="k-means needs a token for each point"):
        draw(Start(kind="kmeans", points_tokens=9), TOPK, seen, rolls())


def test_kmeans_runs_on_the_tokens_that_the_points_die_drew(seen):
    start = Start(kind="kmeans", points_tokens=N_ATOMS)
    centroids = draw(start, TOPK, seen, rolls()).atoms
    assert same_rows(centroids, draw(Start(kind="data"), TOPK, seen, rolls()).atoms)


def test_points_at_hand_give_the_same_start_as_drawing_them(seen):
    for kind in ("data", "kmeans", "kmeans-permuted"):
        start = Start(kind=kind)
        points = draw_points(start, TOPK, seen, rolls())
        assert torch.equal(
            draw(start, TOPK, seen, rolls(), points=points).atoms, draw(start, TOPK, seen, rolls()).atoms
        )


def test_points_of_equal_identity_are_equal_and_only_those(seen):
    for kind in ("data", "kmeans", "kmeans++"):
        start = Start(kind=kind)
        for die in DICE:
            other = rolls(**{die: 1})
            equal = torch.equal(draw_points(start, TOPK, seen, rolls()), draw_points(start, TOPK, seen, other))
            assert equal == (points_identity(start, TOPK, rolls()) == points_identity(start, TOPK, other))


def test_a_start_reports_the_mean_and_scale_of_what_training_sees(seen):
    point = draw(Start(kind="random"), TOPK, seen, rolls())
    torch.testing.assert_close(point.mean.double(), seen.moments.mean, rtol=1e-6, atol=1e-6)
    assert point.scale == pytest.approx(seen.scale)


@pytest.mark.parametrize("field", [{"kind": "qr"}, {"kind": "data", "n_points": 0}, {"kind": "data", "seed": 1}])
def test_unknown_kinds_and_fields_are_refused(field):
    with pytest.raises(SpecError):
        Start(**field)
