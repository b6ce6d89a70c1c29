"""Stage train-gan: train a unit's generator, scored by its judge on validation images."""

from __future__ import annotations

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

from augment.checkpoints import CheckpointError, read_meta, save_checkpoint
from augment.files import atomic_file, atomic_folder, sha256_array, sha256_file
from augment.gan_training import Budget, Epoch, TrainedGan, TrainingStopped, train_gan
from augment.grids import tile
from augment.image_rows import ImageRows
from augment.image_sets import open_image_set
from augment.streams import derive_seed
from augment.systems import get_system
from classifiers.checkpoints import load_lenet
from classifiers.lenet import LeNet
from classifiers.prediction import predict
from pipeline.errors import Interrupted, PipelineError
from pipeline.interrupt import stop_on_signal
from pipeline.parameters import GanParameters
from pipeline.progress import Progress
from pipeline.project import Project, UnitPaths, read_array
from pipeline.resume import ResumeStore, code_digest, digest_of, locked_store
from reports.scores import fid, inception_score, label_match

_ROOT = Path(__file__).parent.parent
_CODE = (
    *(f"augment/{n}.py" for n in ("gan_training", "losses", "networks", "sampling", "streams")),
    *(f"classifiers/{n}.py" for n in ("lenet", "prediction")),
    "reports/scores.py",
)


def run(project: Project, unit: str) -> list[str]:
    """Write the unit's generator and its training curves; return lines for the user."""
    p, paths = project.parameters, project.unit(unit)
    project.require(project.train, paths.subset, paths.judge)
    train = open_image_set(project.train)
    index = project.read(paths.subset, read_array)
    system = get_system(
        p.train_gan.system,
        batch_size=p.train_gan.batch_size,
        generator_rate=p.train_gan.generator_rate,
        discriminator_rate=p.train_gan.discriminator_rate,
        ema_decay=p.train_gan.ema_decay,
    )
    architecture = system.architecture(
        train.n_classes,
        train.images.shape[3],
        train.images.shape[1],
        p.train_gan.base_channels,
    )
    budget = Budget(p.train_gan.images, p.train_gan.epochs, p.train_gan.evaluate, p.train_gan.keep)
    fabric = make_fabric(p.train_gan)
    meta = {
        "system": system.to_dict(),
        "architecture": architecture.to_dict(),
        "class_names": list(train.class_names),
        "budget": {"images": budget.images, "epochs": budget.epochs, "keep": budget.keep}
        | {"evaluate": budget.evaluate},
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
    reference = validation.images if validation is not None else train.images[_spread(index, 2000)]

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
        try:
            trained = train_gan(
                ImageRows([train], [index]),
                architecture,
                system,
                budget,
                seed=derive_seed(p.seed, "gan", unit),
                fabric=fabric,
                store=store,
                evaluate=_judge_scores(load_lenet(paths.judge), reference),
                on_epoch=_tell(paths, progress) if fabric.is_global_zero else _ignore,
                on_step=progress.update,
                should_stop=request,
            )
        except TrainingStopped as stop:
            raise Interrupted(str(stop), request.exit_code) from None
        if not fabric.is_global_zero:
            return []
        _write(trained, meta | {"key": key}, paths)
        store.clear()
    lines = [f"generator of unit {unit}: epoch {trained.epoch} of {len(trained.history)} is kept"]
    if trained.stopped:
        lines.append(f"training ended early: {trained.stopped}; epoch {trained.epoch} is kept")
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


def _judge_scores(
    judge: LeNet, reference: np.ndarray
) -> Callable[[np.ndarray, np.ndarray], dict[str, float]]:
    """Return the scores of every epoch: on the judge's features and answers."""
    features = predict(judge, reference).features

    def evaluate(images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        said = predict(judge, images)
        return {
            "label_match": label_match(said.probabilities, labels),
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
        progress.say(
            f"epoch {epoch.epoch}: {epoch.images:,} images, G {m['generator_loss']:.3f}, "
            f"D {m['discriminator_loss']:.3f}, label match {m['label_match']:.1%}, "
            f"IS {m['inception_score']:.2f}, FID {m['fid']:.2f} (judge)"
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
    live.make_summary()  # type: ignore[no-untyped-call]


def _ignore(epoch: Epoch) -> None:
    """Do nothing: only the first process tells."""


def _spread(index: np.ndarray, n: int) -> np.ndarray:
    """Take at most ``n`` rows from all over an index, since sets may be sorted by class."""
    where = np.linspace(0, len(index) - 1, min(n, len(index))).astype(np.int64)
    rows: np.ndarray = index[where]
    return rows


def _finished(paths: UnitPaths, key: str) -> bool:
    """Return whether this very model is there: written by another process while this one waited."""
    try:
        done = read_meta(paths.generator, "generator").get("key") == key
    except CheckpointError:
        return False
    files = (paths.generator / "weights.safetensors", paths.training / "history.csv")
    return done and all(file.exists() for file in files)


def _write(trained: TrainedGan, meta: dict[str, Any], paths: UnitPaths) -> None:
    """Write the curves as a table, and the checkpoint."""
    kept = {"epoch": trained.epoch, "stopped": trained.stopped}
    rows = [{"epoch": e.epoch, "images": e.images, **e.metrics} for e in trained.history]
    # Written anew and whole: another run may have cleared the folder in the meantime.
    with atomic_folder(paths.training) as folder:
        live = _live(folder)
        for epoch in trained.history:
            _log(live, epoch)
        with atomic_file(folder / "history.csv") as file:
            file.write(pd.DataFrame(rows).to_csv(index=False).encode())
    save_checkpoint(paths.generator, "generator", trained.weights, meta | kept)
