"""The report as a browser shows it."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PROBE = """<script>
document.title = [document.documentElement.scrollWidth, window.innerWidth,
  [...document.images].filter(i => !(i.complete && i.naturalWidth)).length,
  document.images.length + document.querySelectorAll("svg").length,
  performance.getEntriesByType("resource").filter(e => !e.name.startsWith("data:")).length
].join(" ");
</script>"""


@pytest.fixture
def page(content: Any) -> str:
    from reports.page.render import render_page

    return render_page(content)


@pytest.fixture
def shown(tmp_path: Path) -> Callable[[str, int], list[int]]:
    """Show a page at a width; returns what the probe saw."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")

    def show(page: str, width: int) -> list[int]:
        file = tmp_path / "page.html"
        file.write_text(page.replace("</body>", PROBE + "</body>"), encoding="utf-8")
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        size = f"--window-size={width},900"
        done = subprocess.run(
            [CHROMIUM, *FLAGS, profile, size, "--dump-dom", file.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        title = re.search(r"<title>([\d ]+)</title>", done.stdout)
        assert title, done.stdout[:500]
        return [int(number) for number in title[1].split()]

    return show


@pytest.mark.parametrize("width", [500, 1200])
def test_every_figure_shows_nothing_is_fetched_and_no_line_is_cut(
    page: str, shown: Callable[[str, int], list[int]], width: int
) -> None:
    scroll_width, inner_width, broken, pictures, fetched = shown(page, width)
    assert scroll_width <= inner_width
    assert broken == 0
    assert pictures >= 2
    assert fetched == 0


def test_what_is_folded_is_printed(page: str, tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")

    def sheets(name: str, text: str) -> int:
        file, pdf = tmp_path / f"{name}.html", tmp_path / f"{name}.pdf"
        file.write_text(text, encoding="utf-8")
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        subprocess.run(
            [CHROMIUM, *FLAGS, profile, f"--print-to-pdf={pdf}", file.as_uri()],
            capture_output=True,
            timeout=120,
            check=True,
        )
        return len(re.findall(rb"/Type /Page\b", pdf.read_bytes()))

    unfolded = sheets("unfolded", page.replace("<details", "<details open"))
    assert sheets("folded", page) == unfolded
    assert sheets("bare", re.sub("<details.*?</details>", "", page, flags=re.DOTALL)) < unfolded
