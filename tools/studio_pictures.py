"""Make the pictures of docs/studio.md: the real page in Chromium, wide, narrow, light, dark, and with an error.

It needs what `tools/setup.sh dev` installs, and the networks of the demo (`python tools/human_models.py .cache/models`):

    python tools/studio_pictures.py
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
MODELS = ROOT / ".cache" / "models"
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 780}
QUALITY = 88
LIBRARY = '''"""How crowded it is."""

import empycustom

OPTIONS = {"many": empycustom.Option(4, "from so many people on it is crowded", limits=(1, 50), unit="people")}


def process_ip(io_buffer, in_meta, options):
    people = in_meta["frame"][0]["object"]
    return {"frame": {"people": len(people), "crowded": len(people) >= options["many"]}}
'''
MISTAKE = LIBRARY.replace('len(people) >= options["many"]', 'people >= options["many"]')


def words() -> list[str]:
    """Return the words of the command."""
    find = {"model": "objects.onnx", "classes": ["person"], "confidence": 0.35}
    pose = {"model": "pose.onnx", "objects": ["person"], "confidence": 0.3}
    found: list[str] = ["walkers.mp4"]
    for library, options in (
        ("empycustom.libs.detect", find),
        ("empycustom.libs.track", {"start_confidence": 0.5, "keep_untracked": False}),
        ("empycustom.libs.detect", pose),
    ):
        found += ["--lib", library, "--options", json.dumps(options)]
    return [*found, "--lib", "crowd.py", "--workers", "0"]


@contextmanager
def program(folder: Path) -> Iterator[str]:
    """Run the program on a video that is drawn; give its address."""
    subprocess.run([sys.executable, ROOT / "tools" / "walkers.py", "walkers.mp4"], cwd=folder, check=True)
    command = [sys.executable, "-m", "empycustom", "studio", *words()]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found, "the program has printed no address"
            yield found[0]
        finally:
            process.terminate()


def several(page: Page) -> None:
    """Wait for a frame with several people."""
    expect(page.get_by_role("tab", name="Objects")).to_have_text(re.compile("[4-9]"), timeout=60_000)


def save(page: Page, name: str) -> None:
    """Save what the page shows once there are several people again."""
    several(page)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shot.save(PICTURES / name, quality=QUALITY, optimize=True)
    print(f"docs/pictures/{name}: {shot.width}x{shot.height}, {(PICTURES / name).stat().st_size // 1024} KB")  # noqa: T201 - a script prints


def main() -> None:
    """Make all pictures."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    assert browser, "Chromium is missing: apt install chromium"
    with TemporaryDirectory() as made, sync_playwright() as playwright:
        folder = Path(made, "street")  # it is in the pictures
        folder.mkdir()
        for model in ("objects.onnx", "pose.onnx"):
            (folder / model).symlink_to(MODELS / model)
        library = folder / "crowd.py"
        library.write_text(LIBRARY)
        with program(folder) as address, playwright.chromium.launch(executable_path=browser) as chromium:

            def opened(**settings: Any) -> Page:
                page = chromium.new_context(**settings).new_page()
                page.goto(address)
                several(page)
                page.wait_for_timeout(4000)  # so that there are frames in the strip
                return page

            def panel(page: Page, name: str, ready: Callable[[], Any] = lambda: None) -> None:
                page.get_by_role("tab", name=name).click()
                ready()
                page.wait_for_timeout(1500)

            page = opened(viewport=WIDE, color_scheme="dark")
            save(page, "studio.jpg")
            panel(page, "Libraries")
            save(page, "studio-libraries.jpg")
            page = opened(viewport=WIDE, color_scheme="light")
            panel(page, "Document")
            save(page, "studio-light.jpg")
            save(
                opened(viewport=NARROW, color_scheme="dark", device_scale_factor=2, has_touch=True, is_mobile=True),
                "studio-narrow.jpg",
            )
            page = opened(viewport=WIDE, color_scheme="light")
            library.write_text(MISTAKE)
            panel(page, "Libraries", lambda: expect(page.get_by_role("button", name="Show the frame")).to_be_visible())
            save(page, "studio-error.jpg")


if __name__ == "__main__":
    main()
