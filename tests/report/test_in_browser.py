"""The page as a browser lays it out: nothing hangs over, nothing is cut, light and dark differ."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matscout.cli.app import main
from matscout.runfolder import RunFolder

WIDTHS = (360, 768, 1280)

# A page around the page: the report's own policy forbids scripts, so one beside it measures.
HARNESS = """<!DOCTYPE html><meta charset="utf-8"><title>harness</title>
<body><script>
addEventListener("load", () => {
  const seen = [...document.querySelectorAll("iframe")].map(frame => {
    const doc = frame.contentDocument, root = doc.documentElement;
    const wide = [...doc.querySelectorAll("body *")].filter(e =>
      !e.closest(".scroll") && e.getBoundingClientRect().right > root.clientWidth + 1);
    const cut = [...doc.querySelectorAll("svg[role=img] text")].filter(t => {
      const box = t.getBBox(), view = t.ownerSVGElement.viewBox.baseVal;
      return box.x < -1 || box.x + box.width > view.width + 1 || box.y + box.height > view.height + 1;
    });
    const figures = [...doc.querySelectorAll("svg[role=img]")];
    return {
      width: frame.clientWidth,
      overflow: root.scrollWidth - root.clientWidth,
      wide: wide.map(e => e.outerHTML.slice(0, 80)),
      cut: cut.map(t => t.textContent),
      figures: figures.map(f => f.querySelector("title").textContent),
      small: figures.filter(f => f.getBoundingClientRect().width < 200).length,
      scripts: doc.scripts.length,
      ran: "hacked" in frame.contentWindow,
      heading: doc.querySelector("h1").textContent,
    };
  });
  const out = document.createElement("pre");
  out.id = "seen";
  out.textContent = JSON.stringify(seen);
  document.body.replaceChildren(out);
});
</script>
FRAMES
</body>"""


@pytest.fixture(scope="module")
def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("no Chromium here (Debian: apt-get install chromium)")


def browse(chromium: str, profile: Path, page: Path, *words: str) -> str:
    """Open a local file without the network; returns what the browser printed."""
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
        "--proxy-server=127.0.0.1:9",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        *words,
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def measure(chromium: str, tmp_path: Path, text: str) -> list[dict[str, Any]]:
    """What the page looks like at each of `WIDTHS`."""
    frames = "".join(
        f'<iframe width="{width}" height="900" srcdoc="{html.escape(text)}"></iframe>'
        for width in WIDTHS
    )
    harness = tmp_path / "harness.html"
    harness.write_text(HARNESS.replace("FRAMES", frames))
    words = ("--virtual-time-budget=5000", "--dump-dom")
    said = browse(chromium, tmp_path / "profile", harness, *words)
    found = re.search(r'<pre id="seen">(.*?)</pre>', said, re.DOTALL)
    assert found, said[:500]
    seen: list[dict[str, Any]] = json.loads(html.unescape(found[1]))
    return seen


def report_of(folder: RunFolder, out: Path) -> str:
    with pytest.raises(SystemExit) as end:
        main(["report", folder.name, "--runs", str(folder.root.parent), "-o", str(out)])
    assert not end.value.code
    return out.read_text()


@pytest.mark.parametrize("kind", ["campaign", "sweep", "folds"])
def test_nothing_hangs_over_at_any_width(
    chromium: str, campaign: Any, sweep: Any, fold_sweep: Any, tmp_path: Path, kind: str
) -> None:
    make, count = {"campaign": (campaign, 25), "sweep": (sweep, 30), "folds": (fold_sweep, 50)}[
        kind
    ]
    folder = make(count)
    text = report_of(folder, tmp_path / "page.html")
    attack = text.replace("</h1>", "</h1><script>window.hacked = 1</script>")
    for seen in measure(chromium, tmp_path, attack):
        where = f"at {seen['width']} px"
        assert seen["overflow"] <= 0 and seen["wide"] == [], (where, seen["wide"][:3])
        assert seen["cut"] == [], (where, seen["cut"])
        assert seen["small"] == 0, where
        assert seen["scripts"] == 1 and not seen["ran"], "the page's policy lets no script run"
        assert "Best value so far" in seen["figures"] and len(seen["figures"]) >= 3
        assert seen["heading"] == folder.name


def test_the_measuring_page_sees_what_hangs_over(
    chromium: str, campaign: Callable[..., RunFolder], tmp_path: Path
) -> None:
    text = report_of(campaign(3), tmp_path / "page.html")
    wide = text.replace("<main>", '<main><p style="width:900px;max-width:none">wide</p>')
    cut = wide.replace(
        "</svg><figcaption>", '<text x="435" y="20">far out</text></svg><figcaption>'
    )
    narrow, _, broad = measure(chromium, tmp_path, cut)
    assert narrow["overflow"] > 0 and narrow["wide"] and broad["overflow"] <= 0
    assert "far out" in narrow["cut"]


def test_light_and_dark(chromium: str, campaign: Callable[..., RunFolder], tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow reads the screenshots")
    report_of(campaign(12), tmp_path / "page.html")
    brightness = {}
    for scheme, word in (("light", "1"), ("dark", "0")):
        shot = tmp_path / f"{scheme}.png"
        browse(
            chromium,
            tmp_path / f"profile-{scheme}",
            tmp_path / "page.html",
            f"--blink-settings=preferredColorScheme={word}",
            "--window-size=1000,1400",
            f"--screenshot={shot}",
        )
        with image.open(shot) as picture:
            assert picture.size == (1000, 1400)
            grey = picture.convert("L")
            counts = grey.histogram()
            assert sum(count > 0 for count in counts) > 50, "the picture is nearly empty"
            brightness[scheme] = sum(i * c for i, c in enumerate(counts)) / sum(counts)
    assert brightness["light"] > 200 and brightness["dark"] < 80
