"""Stage train-gan: train a unit's generator, scored by its judge on validation images."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from dvclive.live import Live
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from augment.adversaries import Feedback
from augment.checkpoints import CheckpointError, read_meta, save_checkpoint
from augment.files import atomic_file, atomic_folder, sha256_array, sha256_file
from augment.gan_training import Budget, Epoch, TrainedGan, TrainingStopped, train_gan
from augment.grids import tile
from augment.image_rows import ImageRows
from augment.image_sets import open_image_set
from augment.splits import spread_rows
from augment.streams import derive_seed
from classifiers.checkpoints import load_lenet
from classifiers.lenet import LeNet, to_input
from classifiers.prediction import predict
from pipeline.errors import Interrupted, PipelineError
from pipeline.interrupt import stop_on_signal
from pipeline.parameters import GanParameters, chosen_system
from pipeline.progress import Progress
from pipeline.project import Project, UnitPaths, read_array
from pipeline.resume import ResumeStore, code_digest, digest_of, locked_store
from reports.scores import fid, inception_score, label_match

_ROOT = Path(__file__).parent.parent
_CODE = (
    *(
        f"augment/{n}.py"
        for n in (
            "adversaries",
            "architectures",
            "gan_training",
            "image_rows",
            "losses",
            "networks",
            "sampling",
            "splits",
            "streams",
        )
    ),
    *(f"classifiers/{n}.py" for n in ("lenet", "prediction")),
    "reports/scores.py",
    "pipeline/train_gan.py",  # what an epoch is scored on
)


def run(project: Project, unit: str) -> list[str]:
    """Write the unit's generator and its training curves; return lines for the user."""
    p, paths = project.parameters, project.unit(unit)
    project.require(project.train, paths.subset, paths.judge)
    train = open_image_set(project.train)
    index = project.read(paths.subset, read_array)
    system = chosen_system(p.train_gan)
    _, side, _, channels = train.images.shape
    width = 1.0 if p.train_gan.width is None else p.train_gan.width
    architecture = system.architecture(train.n_classes, channels, side, width)
    g = p.train_gan
    budget = Budget(g.images, g.epochs, g.evaluate, g.keep, g.checkpoints)
    fabric = make_fabric(p.train_gan)
    meta = {
        "system": system.to_dict(),
        "architecture": architecture.to_dict(),
        "class_names": list(train.class_names),
        "budget": {"images": budget.images, "epochs": budget.epochs, "keep": budget.keep}
        | {"evaluate": budget.evaluate, "checkpoints": budget.checkpoints},
        "data": train.digest,
        "subset": sha256_array(index),
        "unit": unit,
        "seed": p.seed,
        "device": fabric.device.type,
        "precision": str(fabric._precision.precision),
        "processes": fabric.world_size,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    code = code_digest([_ROOT / name for name in _CODE])
    key = digest_of([meta, sha256_file(paths.judge / "weights.safetensors"), code])
    validation = open_image_set(project.validation) if project.validation.exists() else None
    reference = (
        validation.images
        if validation is not None
        else train.images[index[spread_rows(len(index), 2000)]]
    )

    with ExitStack() as stack:
        request = stack.enter_context(stop_on_signal())
        progress = stack.enter_context(Progress(f"train-gan {unit}", "steps"))
        folder = project.cache / "training"
        store = ResumeStore(folder / key)
        # The first process holds the lock and keeps the state; the others read what it kept.
        if fabric.is_global_zero:
            store = stack.enter_context(locked_store(folder, key, progress.say, request))
        if fabric.broadcast(_finished(paths, key)):
            return [f"generator of unit {unit}: is finished already"]
        judge = load_lenet(paths.judge)
        try:
            trained = train_gan(
                ImageRows([train], [index]),
                architecture,
                system,
                budget,
                seed=derive_seed(p.seed, "gan", unit),
                fabric=fabric,
                store=store,
                evaluate=_judge_scores(judge, reference, conditional=architecture.conditional),
                feedback=judge_feedback(judge, fabric.device) if system.feedback else None,
                on_epoch=_tell(paths, progress) if fabric.is_global_zero else _ignore,
                on_step=progress.update,
                should_stop=request,
            )
        except TrainingStopped as stop:
            raise Interrupted(str(stop), request.exit_code) from None
        if not fabric.is_global_zero:
            return []
        _write(trained, meta | {"key": key}, paths, store)
        _log_times(trained, project.training_times(unit))
        store.clear()
    lines = [f"generator of unit {unit}: epoch {trained.epoch} of {len(trained.history)} is kept"]
    if trained.stopped:
        lines.append(f"training ended early: {trained.stopped}; epoch {trained.epoch} is kept")
    elif trained.collapsed:
        lines.append(f"the images of the last {trained.collapsed} epochs are all alike (collapse)")
    return lines


def make_fabric(settings: GanParameters) -> Fabric:
    """Return launched Lightning Fabric for the parameters' device, precision and processes.

    bf16 is chosen by what the processor can do, never by a timing.
    """
    # Fabric tells on its loggers what params.yaml already says.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    device = settings.device
    if device == "auto":
        enough = torch.cuda.is_available() and torch.cuda.device_count() >= settings.processes
        device = "cuda" if enough else "cpu"
    if device == "cuda" and torch.cuda.device_count() < settings.processes:
        raise PipelineError(
            f"params.yaml: train_gan.device is cuda with {settings.processes} processes; this "
            f"machine has {torch.cuda.device_count()} usable GPUs; allowed: cpu or auto, or fewer"
        )
    # The same bytes after a stop need the same kernels.
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    precision = settings.precision
    if precision == "auto":
        able = (
            torch.cuda.is_bf16_supported(including_emulation=False)
            if device == "cuda"
            else torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        )
        precision = "bf16-mixed" if able else "32-true"
    fabric = Fabric(
        accelerator=device,
        devices=settings.processes,
        strategy="ddp" if settings.processes > 1 else "auto",
        precision=precision,
    )
    fabric.launch()
    return fabric


def judge_feedback(judge: LeNet, device: torch.device) -> Feedback:
    """Return the judge's mean log-likelihood of the asked labels, differentiable in the images."""
    frozen = copy.deepcopy(judge).to(device).requires_grad_(False)
    side = frozen.architecture.input_size

    def score(images: Tensor, labels: Tensor) -> Tensor:
        return -F.cross_entropy(frozen(to_input(images, side)), labels)

    return score


def _judge_scores(
    judge: LeNet, reference: np.ndarray, *, conditional: bool
) -> Callable[[np.ndarray, np.ndarray], dict[str, float]]:
    """Return the scores of every epoch: on the judge's features and answers."""
    features = predict(judge, reference).features

    def evaluate(images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        said = predict(judge, images)
        match = {"label_match": label_match(said.probabilities, labels)} if conditional else {}
        return match | {
            "inception_score": inception_score(said.probabilities),
            "fid": fid(said.features, features),
        }

    return evaluate


def _tell(paths: UnitPaths, progress: Progress) -> Callable[[Epoch], None]:
    """Return what is done after every epoch: curves and grid for ``dvc plots``, and a line.

    The curves grow while the training runs; a resumed one writes its past epochs again.
    """
    live = _live(paths.training)

    def tell(epoch: Epoch) -> None:
        _log(live, epoch)
        m = epoch.metrics
        match = f"label match {m['label_match']:.1%}, " if "label_match" in m else ""
        progress.say(
            f"epoch {epoch.epoch}: {epoch.images:,} images, G {m['generator_loss']:.3f}, "
            f"D {m['discriminator_loss']:.3f}, {match}"
            f"IS {m['inception_score']:.2f}, FID {m['fid']:.2f} (judge), {epoch.seconds:.0f} s"
        )

    return tell


def _live(folder: Path) -> Live:
    return Live(str(folder), resume=False, report=None, save_dvc_exp=False, dvcyaml=None)


def _log(live: Live, epoch: Epoch) -> None:
    """Write one epoch's numbers and grid."""
    live.step = epoch.epoch
    for name, value in epoch.metrics.items():
        live.log_metric(name, value)
    live.log_image(f"grid-{epoch.epoch:04d}.png", Image.fromarray(tile(epoch.grid)))
    if epoch.reconstructions is not None:
        pairs = np.concatenate(list(epoch.reconstructions))
        picture = tile(pairs, columns=epoch.reconstructions.shape[1])
        live.log_image(f"reconstructions-{epoch.epoch:04d}.png", Image.fromarray(picture))
    live.make_summary()  # type: ignore[no-untyped-call]


def _ignore(epoch: Epoch) -> None:
    """Do nothing: only the first process tells."""


def _finished(paths: UnitPaths, key: str) -> bool:
    """Return whether this very model is there: written by another process while this one waited."""
    try:
        done = read_meta(paths.generator, "generator").get("key") == key
    except CheckpointError:
        return False
    files = (
        paths.generator / "weights.safetensors",
        paths.training / "history.csv",
        paths.checkpoints,
    )
    return done and all(file.exists() for file in files)


def _write(trained: TrainedGan, meta: dict[str, Any], paths: UnitPaths, store: ResumeStore) -> None:
    """Write the curves as a table, the checkpoints of kept epochs, and the chosen generator."""
    kept = {"epoch": trained.epoch, "stopped": trained.stopped, "collapsed": trained.collapsed}
    # Written anew and whole: another run may have cleared the folder in the meantime.
    with atomic_folder(paths.training) as folder:
        live = _live(folder)
        for epoch in trained.history:
            _log(live, epoch)
        with atomic_file(folder / "history.csv") as file:
            file.write(_curves(trained).to_csv(index=False).encode())
    # A training that ended early has no more of them than it came to.
    reached = {epoch.epoch: epoch for epoch in trained.history}
    with atomic_folder(paths.checkpoints) as folder:
        for name, weights in store.kept():
            epoch_of, copy_of = checkpoint_name(name)
            if epoch_of in reached:
                about = {"epoch": epoch_of, "weights": copy_of or meta["system"]["weights"]}
                kind = "discriminator" if copy_of == "discriminator" else "generator"
                if kind == "discriminator":
                    # Phases change its slope, which is no weight.
                    slope = {"discriminator_slope": reached[epoch_of].slope}
                    about["architecture"] = meta["architecture"] | slope
                save_checkpoint(folder / name, kind, weights, meta | about)
    save_checkpoint(paths.generator, "generator", trained.weights, meta | kept)


def _curves(trained: TrainedGan) -> pd.DataFrame:
    """Return a row an epoch, with every column that dvc.yaml plots."""
    rows = [{"epoch": e.epoch, "images": e.images, **e.metrics} for e in trained.history]
    table = pd.DataFrame(rows)
    # Without labels there is none to match.
    return table if "label_match" in table else table.assign(label_match=np.nan)


def checkpoint_name(name: str) -> tuple[int, str | None]:
    """Return the epoch of a kept checkpoint, and what it is besides the generator that is kept.

    Args:
        name: such as ``epoch-0005``, ``epoch-0005-average`` or ``epoch-0005-discriminator``.
    """
    _, number, *copy_of = name.split("-")
    return int(number), copy_of[0] if copy_of else None


def _log_times(trained: TrainedGan, path: Path) -> None:
    """Write the seconds of every epoch to a log: they differ from run to run."""
    rows = [{"epoch": e.epoch, "images": e.images, "seconds": e.seconds} for e in trained.history]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.write(pd.DataFrame(rows).to_csv(index=False, float_format="%.3f").encode())
