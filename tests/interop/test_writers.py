"""What is written for another library is read back as it was, and looks as that library's own files do."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

import reseed
from reseed._support.files import replacing
from reseed.errors import DictionaryError
from reseed.interop import WRITERS, LoadedDictionary, read, write
from reseed.interop._folded import is_transcoder
from reseed.interop.codes import CodeRule, Gated, GroupMax, Linear, Pursuit, Relu, Scaled, Thresholded, TopK
from reseed.interop.spaces import Affine, ConstantNorm, LayerNorm, Raw, Unmapped

WRITTEN = Path(__file__).parent / "written"
TOKENS = torch.from_numpy(np.load(WRITTEN / "codes.npz")["tokens"])
N_ATOMS, D_MODEL, K = 40, 24, 5
CHANCE = torch.Generator().manual_seed(0)
CLOSE = 1e-5  # of the largest code


def normal(*shape):
    return torch.randn(*shape, generator=CHANCE)


def spread(*shape):
    return 0.5 + torch.rand(*shape, generator=CHANCE)


ATOMS = normal(N_ATOMS, D_MODEL)
PLAIN = LoadedDictionary(
    ATOMS,
    "made here",
    "tensor",
    encoder=normal(N_ATOMS, D_MODEL) / 5,
    encoder_bias=normal(N_ATOMS) / 5,
    decoder_bias=normal(D_MODEL),
    rule=TopK(K),
    subtracts=True,
)
WIDE = replace(PLAIN, encoder=normal(N_ATOMS, D_MODEL + 3) / 5, subtracts=False, rule=Relu())
SKIP = normal(D_MODEL, D_MODEL) / 5
SQUARE = normal(D_MODEL, D_MODEL)
PURSUIT = replace(
    PLAIN,
    atoms=torch.nn.functional.normalize(ATOMS),
    encoder=None,
    encoder_bias=None,
    rule=Pursuit(threshold=0.1, most=4, until_repeated=True),
)

RULES = {
    "standard": Relu(),
    "topk": TopK(K),
    "abstopk": TopK(K, signed=True, absolute=True),
    "jumprelu": Thresholded(spread(N_ATOMS)),
    "batchtopk": Thresholded(torch.tensor(0.7), name="BatchTopK"),
    "gated": Gated(normal(N_ATOMS) / 5, normal(N_ATOMS) / 5, normal(N_ATOMS) / 5),
    "linear": Linear(),
}
SPACES = {
    "raw": Raw(),
    "scaled": Raw(0.3),
    "centred": Affine(50 + normal(D_MODEL), torch.tensor(2.0), torch.tensor(0.5), name="centred"),
    "standardised": Affine(normal(D_MODEL), scale := spread(D_MODEL), 1 / scale, name="standardised"),
    "whitened": Affine(normal(D_MODEL), SQUARE, torch.linalg.inv(SQUARE.double()), name="whitened"),
    "layer norm": LayerNorm(),
    "constant norm": ConstantNorm(),
    "unit norm": ConstantNorm(1.0),
}
FACTORS = spread(N_ATOMS)
OF_SAELENS = {
    **{
        f"{name}, {subtracts}": replace(PLAIN, rule=rule, subtracts=subtracts == "subtracting")
        for name, rule in RULES.items()
        for subtracts in ("subtracting", "not")
    },
    **{
        f"in {name}": replace(PLAIN, space=space, encoder=PLAIN.encoder / (1 if name != "unit norm" else 0.1))
        for name, space in SPACES.items()
    },
    "gated, centred": replace(PLAIN, rule=RULES["gated"], space=SPACES["centred"]),
    "not subtracting, standardised": replace(PLAIN, subtracts=False, space=SPACES["standardised"]),
    "without biases": replace(PLAIN, encoder_bias=None, decoder_bias=None),
    "in double precision": replace(
        PLAIN, **{name: getattr(PLAIN, name).double() for name in ("atoms", "encoder", "encoder_bias", "decoder_bias")}
    ),
    "pursuit": PURSUIT,
    "pursuit without end or bias": replace(PURSUIT, decoder_bias=None, rule=Pursuit(0.0, None, until_repeated=True)),
    "scaled relu": replace(PLAIN, rule=Scaled(Relu(), FACTORS)),
    "scaled jumprelu": replace(PLAIN, rule=Scaled(RULES["jumprelu"], FACTORS)),
    "transcoder": WIDE,
    "transcoder of scaled activations": replace(WIDE, space=Raw(0.5, out=3.0)),
    "jumprelu transcoder": replace(WIDE, rule=RULES["jumprelu"]),
    "skip transcoder": replace(PLAIN, rule=Relu(), skip=SKIP),
    "transcoder of one width": replace(PLAIN, rule=Relu(), transcodes=True),
    "jumprelu skip transcoder": replace(PLAIN, rule=RULES["jumprelu"], skip=SKIP, space=Raw(0.5)),
    "more active than atoms": replace(PLAIN, rule=TopK(3 * N_ATOMS)),
}  # fmt: skip (one line per kind)
OF_SPARSIFY = {
    "topk": PLAIN,
    "topk, not subtracting": replace(PLAIN, subtracts=False),
    "groupmax": replace(PLAIN, rule=GroupMax(K)),
    "groupmax, not subtracting": replace(PLAIN, rule=GroupMax(K), subtracts=False),
    **{f"in {name}": replace(PLAIN, space=SPACES[name]) for name in ("scaled", "centred", "standardised", "whitened")},
    "skip transcoder": replace(PLAIN, skip=SKIP, subtracts=False),
    "transcoder of one width": replace(PLAIN, transcodes=True, subtracts=False),
    "without biases": replace(PLAIN, encoder_bias=None, decoder_bias=None),
}
EVERY = [("saelens", name) for name in OF_SAELENS] + [("sparsify", name) for name in OF_SPARSIFY]
pytestmark = pytest.mark.filterwarnings("ignore:made here read .* have other directions")


def made(form, name):
    return {"saelens": OF_SAELENS, "sparsify": OF_SPARSIFY}[form][name]


def seen_by(dictionary):
    """Tokens that it can read: away from 0 as those of a layer are."""
    x = TOKENS.to(dictionary.atoms) + 3
    width = D_MODEL if dictionary.encoder is None else dictionary.encoder.shape[1]
    return torch.cat([x, x[:, : width - D_MODEL]], dim=1) + (50 if "centred" in dictionary.space.kind else 0)


def agree(found, expected, *, tied=0):
    """To 1e-5 of the largest; as many entries as `tied` may have changed places with others as large as they."""
    apart = (found - expected).abs() > CLOSE * expected.abs().max()
    assert int(apart.sum()) <= tied


@pytest.mark.parametrize(("form", "name"), EVERY)
def test_what_is_written_makes_the_same_codes_and_reconstructions_of_raw_tokens(form, name, tmp_path):
    dictionary = made(form, name)
    assert write(dictionary, tmp_path / "sae", format=form) == tmp_path / "sae"
    back, x = read(tmp_path / "sae"), seen_by(dictionary)
    assert back.format == form
    assert back.transcodes == is_transcoder(dictionary)
    assert dictionary.encode(x).any()
    agree(back.encode(x), dictionary.encode(x))
    agree(back.reconstruct(x), dictionary.reconstruct(x))
    assert back.atoms.dtype == dictionary.atoms.dtype


@pytest.mark.parametrize(("form", "name"), [("saelens", "gated, not"), ("sparsify", "in whitened")])
def test_the_same_dictionary_is_written_by_the_same_bytes(form, name, tmp_path):
    for place in ("a", "b"):
        write(made(form, name), tmp_path / place, format=form)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    assert len(list((tmp_path / "a").iterdir())) == 2


def layout(folder):
    """Names, shapes and types of tensors; names of settings, and of those that decide codes their values."""
    (path,) = folder.glob("*.safetensors")
    with safe_open(path, framework="pt") as file:
        parts = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    settings = json.loads((folder / "cfg.json").read_text())
    free = {"metadata", "residual_threshold", "expansion_factor", "normalize_decoder"}
    said = {name: None if name in free else value for name, value in settings.items()}
    return path.name, {name: (tuple(each.shape), each.dtype) for name, each in parts.items()}, said


THEIRS = [
    *("saelens-abstopk", "saelens-batchtopk", "saelens-gated", "saelens-jumprelu", "saelens-matching-pursuit"),
    *("saelens-matryoshka", "saelens-standard", "saelens-topk"),
    *("sparsify-groupmax", "sparsify-topk", "sparsify-transcoder"),
]


@pytest.mark.parametrize("name", THEIRS)
def test_a_dictionary_of_theirs_is_written_as_they_wrote_it(name, tmp_path):
    form = name.partition("-")[0]
    dictionary = read(WRITTEN / name)
    write(dictionary, tmp_path / "sae", format=form)
    assert layout(tmp_path / "sae") == layout(WRITTEN / name)
    back = read(tmp_path / "sae")
    assert torch.equal(back.encode(TOKENS), dictionary.encode(TOKENS))
    assert torch.equal(back.reconstruct(TOKENS), dictionary.reconstruct(TOKENS))
    assert back.groups == dictionary.groups
    theirs, ours = (
        json.loads((folder / "cfg.json").read_text()).get("metadata", {})
        for folder in (WRITTEN / name, tmp_path / "sae")
    )
    assert ours.get("training_architecture") == theirs.get("training_architecture")


def test_settings_that_are_folded_as_they_fold_them_are_not_said_again(tmp_path):
    dictionary = read(WRITTEN / "saelens-topk-rescaled")
    write(dictionary, tmp_path / "sae")
    settings = json.loads((tmp_path / "sae/cfg.json").read_text())
    assert settings["rescale_acts_by_decoder_norm"] is False
    assert torch.equal(read(tmp_path / "sae").encode(TOKENS), dictionary.encode(TOKENS))


@pytest.mark.parametrize("name", sorted(path.name for path in WRITTEN.iterdir() if path.is_dir()))
def test_files_of_every_library_are_written_for_others_or_refused_with_what_they_have(name, tmp_path):
    file, asked = {"overcomplete-topk": ("model.pt", {"k": K}), "overcomplete-jump": ("model.pt", {})}.get(
        name, ("", {})
    )
    if name == "overcomplete-ra-topk":
        file, asked = "model.pt", {"k": K, "delta": 0.5}
    dictionary = read(WRITTEN / name / file, **asked)
    for form in WRITERS:
        refused = ""
        try:
            write(dictionary, tmp_path / form, format=form)
        except DictionaryError as error:
            refused = str(error)
        if refused:
            assert f"which {WRITERS[form].title} has no word for: it has " in refused
            assert not (tmp_path / form).exists()
            continue
        back = read(tmp_path / form)
        agree(back.encode(TOKENS), dictionary.encode(TOKENS))
        agree(back.reconstruct(TOKENS), dictionary.reconstruct(TOKENS))


class Squared(CodeRule):
    title = "squares"

    def codes(self, pre):
        return pre.square()


@pytest.mark.parametrize(
    ("form", "dictionary", "said"),
    [
        (
            "saelens",
            replace(PLAIN, rule=GroupMax(K)),
            "makes codes by the largest of each of 5 groups, which SAELens has",
        ),
        ("saelens", replace(PLAIN, rule=TopK(K, signed=True)), "it has ReLU, TopK, absolute TopK, JumpReLU"),
        (
            "saelens",
            replace(PLAIN, rule=Scaled(TopK(K), FACTORS)),
            "makes codes by TopK, k = 5, which SAELens has no word",
        ),
        ("saelens", replace(PLAIN, rule=Squared()), "makes codes by squares"),
        ("saelens", replace(PLAIN, rule=TopK(K), skip=SKIP), "is a transcoder with TopK"),
        ("saelens", replace(PLAIN, rule=TopK(K), transcodes=True), "is a transcoder with TopK"),
        ("sparsify", replace(PLAIN, transcodes=True, subtracts=True), "takes a bias off what it transcodes"),
        ("saelens", replace(WIDE, space=LayerNorm()), "reads layer norm activations, which SAELens has no word for"),
        ("saelens", replace(PLAIN, space=LayerNorm(1e-6)), r"it has raw activations, layer norm \(epsilon 1e-5\)"),
        ("saelens", replace(PURSUIT, subtracts=False), "makes codes by matching pursuit"),
        ("saelens", replace(PURSUIT, space=ConstantNorm(1.0)), "pursues activations of norm 1, which SAELens"),
        ("saelens", replace(PURSUIT, space=SPACES["centred"]), "reads centred activations, and cannot be made to"),
        ("saelens", replace(WIDE, space=SPACES["centred"]), "reads centred activations, and cannot be made to"),
        ("saelens", replace(PLAIN, rule=None), "does not say how it makes codes"),
        ("sparsify", replace(PLAIN, rule=None), "does not say how it makes codes"),
        ("saelens", replace(PLAIN, space=Unmapped("centred", "look there")), "how is not known: look there"),
        (
            "sparsify",
            replace(PLAIN, rule=Relu()),
            "codes by ReLU, which sparsify has no word for: it has TopK, and the",
        ),
        ("sparsify", replace(PLAIN, rule=TopK(K, signed=True, absolute=True)), "codes by absolute TopK"),
        (
            "sparsify",
            replace(PLAIN, space=ConstantNorm()),
            "reads constant norm activations, .* it has raw activations al",
        ),
        ("sparsify", replace(WIDE, rule=TopK(K)), "reads another width than it writes, .* it has one width for both"),
        ("sparsify", replace(PLAIN, skip=SKIP), "takes a bias off what it transcodes"),
        ("pickle", PLAIN, "format 'pickle' cannot be written: choose from saelens, sparsify"),
    ],
)  # fmt: skip (one line per kind)
def test_what_a_format_has_no_word_for_is_refused_and_nothing_is_written(form, dictionary, said, tmp_path):
    with pytest.raises(DictionaryError, match=said):
        write(dictionary, tmp_path / "sae", format=form)
    assert not (tmp_path / "sae").exists()


def test_atoms_that_get_other_directions_are_told_and_those_that_do_not_keep_them(tmp_path):
    for name in ("standardised", "whitened"):
        with pytest.warns(UserWarning, match=rf"made here read {name} activations, .* its atoms have other directions"):
            write(replace(PLAIN, space=SPACES[name]), tmp_path / name)
    write(replace(PLAIN, space=SPACES["centred"]), tmp_path / "centred")
    cosines = torch.cosine_similarity(read(tmp_path / "centred").atoms, ATOMS)
    torch.testing.assert_close(cosines, torch.ones(N_ATOMS))


def test_what_it_is_of_is_written_where_the_library_looks_for_it(tmp_path):
    about = {"model": "minilm", "hook_name": "blocks.2.hook_resid_post", "layer": 3, "odd": {1: 2}}
    write(replace(PLAIN, about=about, step=600, sums={"a": "0" * 64}), tmp_path / "sae")
    metadata = json.loads((tmp_path / "sae/cfg.json").read_text())["metadata"]
    assert (metadata["model_name"], metadata["hook_name"]) == ("minilm", "blocks.2.hook_resid_post")
    assert metadata["exported_by"] == f"reseed {reseed.__version__}"
    assert metadata["sae_lens_training_version"] is None
    with safe_open(tmp_path / "sae/sae_weights.safetensors", framework="pt") as file:
        header = json.loads(file.metadata()["reseed"])
    assert (header["step"], header["read_as"], header["sums"]) == (600, "matrix", {"a": "0" * 64})
    assert header["about"]["layer"] == 3
    assert read(tmp_path / "sae").about["hook_name"] == "blocks.2.hook_resid_post"


def test_a_folder_that_holds_something_stays_as_it_is(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/trainer_state.pt").write_text("mine")
    for force in (False, True):
        with pytest.raises(DictionaryError, match="is a file: choose another folder"):
            write(PLAIN, tmp_path / "file", force=force)
        with pytest.raises(DictionaryError, match=r"holds trainer_state\.pt: choose another folder, a new or an empty"):
            write(PLAIN, tmp_path / "other", force=force)
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["trainer_state.pt"]


def test_a_dictionary_is_replaced_by_force_alone_and_leaves_nothing_of_another_format(tmp_path):
    (tmp_path / "sae").mkdir()
    (tmp_path / "sae/.keep").write_text("")
    write(PLAIN, tmp_path / "sae", format="sparsify")
    before = (tmp_path / "sae/cfg.json").read_bytes()
    with pytest.raises(DictionaryError, match="holds a dictionary already: choose another, or replace it with --force"):
        write(PLAIN, tmp_path / "sae")
    with pytest.raises(DictionaryError, match="SAELens has no word for"):
        write(replace(PLAIN, rule=GroupMax(K)), tmp_path / "sae", force=True)
    assert (tmp_path / "sae/cfg.json").read_bytes() == before
    write(PLAIN, tmp_path / "sae", force=True)
    held = sorted(path.name for path in (tmp_path / "sae").iterdir())
    assert held == [".keep", "cfg.json", "sae_weights.safetensors"]
    assert read(tmp_path / "sae").format == "saelens"


def test_what_is_interrupted_between_its_two_files_is_no_dictionary(tmp_path, monkeypatch):
    write(PLAIN, tmp_path / "sae")

    def full(path, _):
        with replacing(path):
            raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("reseed.interop.writers.write_json", full)
    with pytest.raises(OSError, match="No space left"):
        write(PLAIN, tmp_path / "sae", force=True)
    assert [path.name for path in (tmp_path / "sae").iterdir()] == ["sae_weights.safetensors"]
    with pytest.raises(DictionaryError, match="holds no dictionary"):
        read(tmp_path / "sae")


def test_only_dictionaries_are_written(tmp_path):
    with pytest.raises(TypeError, match="dictionary is of type Tensor"):
        write(ATOMS, tmp_path / "sae")


def test_every_writer_says_what_it_is_and_writes_what_a_reader_of_its_name_reads():
    for name, writer in WRITERS.items():
        assert writer.name == name
        assert name in reseed.READERS
        assert writer.meaning[0].islower()
        assert not writer.meaning.endswith(".")
