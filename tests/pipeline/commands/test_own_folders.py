import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.commands.own_folders import MARKER, mark_folder, refuse_unless_own
from pipeline.errors import PipelineError

DIGEST = "0" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files of many names, marked."""
    made = tmp_path / "made"
    names = ("a.png", "b c/0.png", "b c/1.png", "猫/x", "-d/$", "back\\slash/y\\nz", "deep/er/x")
    for name in names:
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(name)
    mark_folder(made)
    return made


def refusal(folder: Path) -> str:
    with pytest.raises(PipelineError) as caught:
        refuse_unless_own(folder, f"--out {folder}")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"--out {folder}")
    return str(caught.value)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs coreutils")
def test_the_list_is_that_of_sha256sum(folder: Path) -> None:
    files = sorted(
        os.path.relpath(path, folder) for path in folder.rglob("*")
        if path.is_file() and path.name != MARKER
    )  # fmt: skip
    made = subprocess.run(["sha256sum", "--", *files], cwd=folder, capture_output=True, check=True)
    assert (folder / MARKER).read_bytes() == made.stdout
    check = ["sha256sum", "--strict", "--check", MARKER]
    assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode == 0
    (folder / "a.png").write_text("other")
    assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode == 1


def test_what_was_written_may_be_replaced_and_parts_of_it(folder: Path) -> None:
    refuse_unless_own(folder, f"--out {folder}")
    (folder / "b c/0.png").unlink()
    shutil.rmtree(folder / "-d")
    (folder / "猫/x").unlink()
    refuse_unless_own(folder, f"--out {folder}")
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    refuse_unless_own(copy, "--out copy")


@pytest.mark.parametrize("kind", ["file", "folder", "link", "pipe", "link to folder"])
def test_whatever_is_not_in_the_list_is_the_users(folder: Path, tmp_path: Path, kind: str) -> None:
    new = folder / "b c" / "mine"
    (tmp_path / "far").mkdir()
    {
        "file": new.touch,
        "folder": new.mkdir,
        "link": lambda: new.symlink_to("0.png"),
        "pipe": lambda: os.mkfifo(new),
        "link to folder": lambda: new.symlink_to(tmp_path / "far"),
    }[kind]()
    assert "holds b c/mine, which this command did not write" in refusal(folder)


@pytest.mark.parametrize("kind", ["text", "link", "pipe", "folder"])
def test_a_changed_file_is_the_users(folder: Path, tmp_path: Path, kind: str) -> None:
    file = folder / "a.png"
    file.rename(tmp_path / "a.png")
    {
        "text": lambda: file.write_text("retouched"),
        "link": lambda: file.symlink_to(tmp_path / "a.png"),
        "pipe": lambda: os.mkfifo(file),
        "folder": file.mkdir,
    }[kind]()
    new = kind == "folder"
    why = "this command did not write" if new else "was changed after this command wrote it"
    assert f"holds a.png, which {why}" in refusal(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello\n",
        f"{DIGEST} *a.png\n".encode(),
        b"\0" * 100_000,
        f"{DIGEST}  {'x' * 100_000}\n".encode(),
        f"{DIGEST}  /etc/passwd\n{DIGEST}  ../x\n{DIGEST}  ./a.png\n".encode(),
        b"\xff\xfe",
        f"{DIGEST}  ".encode() + b"\xff\n",
    ],
)
def test_a_broken_list_is_a_refusal(folder: Path, content: bytes) -> None:
    whole = (folder / MARKER).read_bytes()
    (folder / MARKER).write_bytes(content)
    assert "holds -d, which this command did not write" in refusal(folder)
    # A wrong digest of a file, beside the right lines of all others.
    lines = [line for line in whole.splitlines(keepends=True) if b"a.png" not in line]
    (folder / MARKER).write_bytes(b"".join(lines) + f"{DIGEST}  a.png\n".encode())
    assert "holds a.png, which was changed" in refusal(folder)


def test_a_list_beyond_measure_is_a_refusal(folder: Path) -> None:
    with (folder / MARKER).open("ab") as file:
        file.truncate(5 << 30)  # a hole: it takes no space
    assert "is too large" in refusal(folder)


@pytest.mark.parametrize("kind", ["none", "link", "folder", "pipe"])
def test_without_a_list_nothing_is_the_commands_own(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    marker = folder / MARKER
    marker.rename(tmp_path / "list")
    {
        "none": lambda: None,
        "link": lambda: marker.symlink_to(tmp_path / "list"),
        "folder": marker.mkdir,
        "pipe": lambda: os.mkfifo(marker),
    }[kind]()
    assert f"holds no {MARKER}" in refusal(folder)
