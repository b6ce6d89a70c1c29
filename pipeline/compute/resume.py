"""The state of an unfinished training, kept outside DVC's outputs.

DVC deletes a stage's outputs before it runs the stage, so what a stopped training needs lives in
the user's cache under a key made of everything that the training depends on, behind a lock, and
goes when the model is finished.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augment.files import atomic_file
from pipeline.compute.cache import make_cache
from pipeline.errors import Interrupted

if TYPE_CHECKING:
    from torch import Tensor

_KEPT = ".safetensors"
_DIGEST_BYTES = hashlib.sha256().digest_size


def digest_of(values: Any) -> str:
    """Return the SHA-256 of JSON values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


class ResumeStore:
    """One training's state: a file that is whole or absent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "state.pt"

    def load(self) -> dict[str, Any] | None:
        """Return the saved state, or None when there is none or it is damaged."""
        import torch

        if not self.path.exists():
            return None
        try:
            content = self.path.read_bytes()
            # torch.load does not notice a changed byte within a tensor.
            digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
            if hashlib.sha256(payload).digest() != digest:
                raise EOFError("the state does not match its digest")
            state: dict[str, Any] = torch.load(
                io.BytesIO(payload), weights_only=True, map_location="cpu"
            )
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
            self.path.unlink(missing_ok=True)
            return None
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Replace the saved state."""
        import torch

        buffer = io.BytesIO()
        torch.save(state, buffer)
        with atomic_file(self.path) as file:
            file.write(hashlib.sha256(buffer.getbuffer()).digest())
            file.write(buffer.getbuffer())

    def keep(self, name: str, weights: Mapping[str, Tensor]) -> None:
        """Keep a generator's weights under a name."""
        from safetensors.torch import save

        with atomic_file(self.folder / f"{name}{_KEPT}") as file:
            file.write(save({key: value.contiguous() for key, value in weights.items()}))

    def kept(self) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Yield what was kept, by name."""
        from safetensors.torch import load_file

        for path in sorted(self.folder.glob(f"*{_KEPT}")):
            yield path.name.removesuffix(_KEPT), load_file(path)

    def clear(self) -> None:
        """Remove the state of a finished training."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def locked_store(
    root: Path,
    key: str,
    say: Callable[[str], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[ResumeStore]:
    """Give the store of ``key`` under a lock that one process holds at a time.

    A run that DVC no longer waits for may still be training; the next one waits for it instead
    of writing beside it.

    Raises:
        Interrupted: the user asked to stop while it waits.
    """
    import filelock

    make_cache(root)
    lock = filelock.FileLock(root / f"{key}.lock")
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        owner = root / f"{key}.pid"
        who = owner.read_text().strip() if owner.exists() else "unknown"
        say(f"process {who} is training this very model; waiting for it to end")
        while not lock.is_locked:
            if should_stop():
                raise Interrupted("stopped; run the same command again to go on") from None
            with suppress(filelock.Timeout):
                lock.acquire(timeout=1)
    try:
        (root / f"{key}.pid").write_text(str(os.getpid()))
        yield ResumeStore(root / key)
    finally:
        (root / f"{key}.pid").unlink(missing_ok=True)
        lock.release()
