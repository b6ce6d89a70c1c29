"""What every classifier must do, whichever it is."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from augment.checkpoints import CheckpointError
from augment.images.image_rows import all_rows
from classifiers import grid
from classifiers.checkpoints import load_classifier, save_classifier
from classifiers.errors import ClassifierError
from classifiers.fitting import Fit, FitSettings, ModelSettings, fit_classifier
from classifiers.grid import CellTask, ImageRef, train_cells
from classifiers.models.contract import Architecture, Classifier, with_source
from classifiers.models.registry import BUILT_IN, build, code_files
from classifiers.prediction import predict

MODELS = [*BUILT_IN, "resnet18", "mobilenet_v3_small", "own_models:small", "own_models:own"]
TWO_STEPS = FitSettings(steps=2, epochs=None, batch_size=2, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def own_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)


def weights(network: Classifier) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in network.state_dict().values())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("source", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("side", "input_size"), [(28, 32), (64, 64), (64, 32), (128, 128)])
def test_pixels_become_features_and_features_logits(
    model: str, side: int, input_size: int, channels: int, source: bool
) -> None:
    torch.manual_seed(0)
    architecture = Architecture(5, channels, side, input_size, source, model)
    network = build(architecture).eval()
    assert network.architecture == architecture
    pixels = torch.randint(0, 256, (3, channels, side, side), dtype=torch.uint8)
    inputs = network.to_input(pixels)
    assert inputs.shape == (3, channels, input_size, input_size)
    assert inputs.dtype == torch.float32
    if source:
        inputs = with_source(inputs, torch.tensor([1.0, -1.0, 1.0]))
    with torch.no_grad():
        features = network.features(inputs)
        assert features.shape == (3, network.n_features)
        logits = network(inputs)
        assert logits.shape == (3, 5)
        assert torch.equal(network.head(features), logits)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("side", "channels", "input_size"), [(28, 1, 32), (64, 3, 64)])
def test_a_fit_repeats_and_its_checkpoint_predicts_the_same(
    model: str, side: int, channels: int, input_size: int, make_set, tmp_path: Path
) -> None:
    rows = all_rows(make_set(n=12, side=side, channels=channels))
    new = make_set("new", n=9, side=side, channels=channels, seed=1).images
    settings = ModelSettings(model, input_size)
    torch.manual_seed(1)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    # The smallest batch, on which batch norm has the least to go by.
    fitted = fit_classifier(Fit(rows, 3, settings, TWO_STEPS, seed=0))
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    assert not fitted.training
    torch.manual_seed(2)
    np.random.seed(2)
    again = fit_classifier(Fit(rows, 3, settings, TWO_STEPS, seed=0))
    other = fit_classifier(Fit(rows, 3, settings, TWO_STEPS, seed=1))
    assert weights(fitted) == weights(again) != weights(other)

    save_classifier(tmp_path / "judge", fitted, {"role": "judge"})
    loaded = load_classifier(tmp_path / "judge", model)
    assert loaded.architecture == fitted.architecture
    assert weights(loaded) == weights(fitted)
    expected, found = predict(fitted, new), predict(loaded, new)
    assert expected.features.shape == (9, fitted.n_features)
    assert np.allclose(found.probabilities, expected.probabilities, atol=1e-6)
    assert np.allclose(found.features, expected.features, atol=1e-4)
    # An image's answer is its own, whatever stands beside it.
    alone = predict(loaded, new[:1])
    assert np.allclose(alone.probabilities, found.probabilities[:1], atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_phases_and_a_source_plane(model: str, make_set) -> None:
    rows = all_rows(make_set(n=12))
    source = np.repeat(np.float32([1, -1]), 6)
    settings = FitSettings(steps=4, epochs=None, batch_size=2, learning_rate=1e-2)

    def fit(source: np.ndarray) -> Classifier:
        phases = [np.arange(6, 12), np.arange(6)]
        how = Fit(rows, 3, ModelSettings(model), settings, seed=0, phases=phases, source=source)
        return fit_classifier(how)

    network = fit(source)
    assert network.architecture.source_channel
    assert predict(network, rows[np.arange(4)]).probabilities.shape == (4, 3)
    # The plane is seen: another one gives another network.
    assert weights(network) != weights(fit(-source))


@pytest.mark.parametrize("model", MODELS)
def test_an_image_learns_what_the_judge_thinks_of_it(model: str) -> None:
    """The feedback to a generator, whose images are floats of another size."""
    torch.manual_seed(0)
    judge = build(Architecture(3, 1, 28, 32, model=model)).eval().requires_grad_(False)
    images = (torch.rand(2, 1, 28, 28) * 2 - 1).requires_grad_()
    F.cross_entropy(judge(judge.to_input(images)), torch.tensor([0, 1])).backward()
    assert images.grad is not None
    assert images.grad.abs().amax(dim=(1, 2, 3)).min() > 0


@pytest.mark.parametrize("model", MODELS)
def test_cells_side_by_side_give_what_one_after_the_other_gives(
    model: str, make_set, tmp_path: Path
) -> None:
    train, test = make_set("train", n=12), make_set("test", n=6, seed=1)
    tasks = [
        CellTask(
            (ImageRef(tmp_path / "train", train.digest, np.arange(12)),),
            (ImageRef(tmp_path / "test", test.digest, np.arange(6)),),
            3,
            ModelSettings(model),
            TWO_STEPS,
            seed,
        )
        for seed in (0, 1)
    ]
    alone = train_cells(tasks, processes=1, cache=tmp_path / "one")
    both = train_cells(tasks, processes=2, cache=tmp_path / "two")
    again = train_cells(tasks, processes=1, cache=tmp_path / "one")
    for one, two, three in zip(alone, both, again, strict=True):
        assert np.array_equal(one.predictions[0], two.predictions[0])
        assert np.array_equal(one.predictions[0], three.predictions[0])
        assert (one.cached, two.cached, three.cached) == (False, False, True)


@pytest.mark.parametrize("model", MODELS)
def test_a_cells_key_goes_by_the_code_of_its_model(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = code_files(model)
    assert all(file.is_file() for file in files)
    names = {file.name for file in files}
    own = {"lenet": "lenet.py", "own_models": "own_models.py"}
    assert own.get(model.partition(":")[0], "torchvision.py") in names
    files = [*(Path(grid.__file__).parents[1] / name for name in grid._CODE), *files]
    real = grid.sha256_file
    seen = {grid.code_digest(model)}
    for file in files:
        monkeypatch.setattr(grid, "sha256_file", lambda f, file=file: real(f) + "x" * (f == file))
        seen.add(grid.code_digest(model))
    assert len(seen) == len(files) + 1


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("own_models:probabilities", "is not the last thing that it does"),
        ("own_models:headless", "holds no nn.Linear"),
        ("own_models:ten_classes", "allowed: (2, 5)"),
        ("own_models:nothing", "returns NoneType"),
        ("own_models:broken", "KeyError: 'first"),
        ("own_models:wrong_features", "not head(features(inputs))"),
        ("own_models:absent", "no attribute 'absent'"),
        ("no_such_module_here:small", "No module named"),
        ("alexnet", "does not take 3 x 32 x 32 inputs"),
        ("resnet81", "this torchvision has not"),
        ("squeezenet1_0", "this torchvision has not"),
    ],
)
def test_what_is_no_classifier_is_refused_in_one_line(model: str, what: str) -> None:
    with pytest.raises(ClassifierError) as caught:
        build(Architecture(5, 3, 32, 32, model=model))
    text = str(caught.value)
    assert what in text
    assert text.startswith(f"classifier.model is {model}")
    assert "\n" not in text


def test_a_checkpoint_runs_no_code_that_the_user_does_not_name(tmp_path: Path) -> None:
    network = build(Architecture(3, model="own_models:small"))
    save_classifier(tmp_path / "judge", network, {})
    assert load_classifier(tmp_path / "judge", "own_models:small").n_features == 32
    for own_model in ("", "lenet", "own_models:own"):
        with pytest.raises(CheckpointError, match=r"allowed: code that classifier\.model"):
            load_classifier(tmp_path / "judge", own_model)


def test_a_gray_image_is_the_same_in_three_channels() -> None:
    """So that weights of colour photographs fit gray images."""
    gray, colour = (
        build(Architecture(3, channels, 32, 32, model="resnet18")).eval() for channels in (1, 3)
    )
    colour.load_state_dict(gray.state_dict())
    images = torch.rand(2, 1, 32, 32) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(gray(images), colour(images.expand(-1, 3, -1, -1)), atol=1e-5)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch hub, and a network that cannot be reached."""

    def unreachable(*args: object, **kwargs: object) -> None:
        raise OSError("no route\nto host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    folder = tmp_path / "hub" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder / "mobilenet_v3_small-047dcff4.pth"


PRETRAINED = Architecture(3, 1, 28, 32, source_channel=True, model="mobilenet_v3_small")


def test_pretrained_weights_are_taken_but_for_the_last_layer(hub: Path) -> None:
    import torchvision.models

    torch.manual_seed(0)
    theirs = torchvision.models.mobilenet_v3_small().state_dict()
    torch.save(theirs, hub)
    torch.manual_seed(1)
    ours = {
        name.removeprefix("body.1."): tensor
        for name, tensor in build(PRETRAINED, pretrained=True).state_dict().items()
    }
    first = ours.pop("features.0.0.weight")
    assert torch.equal(first[:, :3], theirs["features.0.0.weight"])
    # The plane of the source starts by counting for nothing.
    assert not first[:, 3:].any()
    assert ours.pop("last.weight").shape == (3, 1024)
    assert ours.pop("last.bias").shape == (3,)
    assert len(ours) > 200
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("evil"),))


def test_pretrained_weights_that_cannot_be_had_are_one_line(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hub.parent)
    texts = []
    for content in (None, b"", b"no weights", Evil(), {"other": torch.zeros(1)}):
        if isinstance(content, bytes):
            hub.write_bytes(content)
        elif content is not None:
            torch.save(content, hub)
        with pytest.raises(ClassifierError) as caught:
            build(PRETRAINED, pretrained=True)
        texts.append(str(caught.value))
    assert all("\n" not in text for text in texts)
    assert all(text.startswith("classifier.pretrained is true, and") for text in texts)
    assert all("mobilenet_v3_small-047dcff4.pth" in text for text in texts)
    assert "no route to host" in texts[0]
    assert not Path("evil").exists()


def test_the_registry_is_quick_to_import() -> None:
    code = (
        "import sys, classifiers.models.registry; "
        "print(sorted({'torch', 'torchvision', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
