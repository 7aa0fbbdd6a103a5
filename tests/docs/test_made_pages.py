"""What is made by programs is as they make it: the pages of the elements from the elements, the pictures from their drawings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_pages_are_as_the_elements_are():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "element_pages.py", "--check"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == done.stderr == ""


def test_another_page_is_told(tmp_path):
    """With pages that differ, or are missing, --check fails and names them."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r}); import element_pages; from pathlib import Path; "
        f"element_pages.PAGES = Path({str(tmp_path)!r}); sys.argv = ['x', '--check']; sys.exit(element_pages.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert "empycustom.md, aimeta.md, perf.md" in done.stdout


def test_the_pictures_are_as_they_are_drawn():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "pictures.py", "--check"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
