"""tools/walk_page.py follows a page as printed, from the installation that it names; and each tutorial names one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted(page for page in (ROOT / "docs/tutorials").glob("*.md") if page.name != "index.md")
INSTALL = """
## Install

<!-- installs -->
```sh
export INSTALLED=yes
```

## Run

```sh
exit 3
```
"""
TUTORIAL = """
Follow [Install](start.md#install) first.

`name.txt`:

```text
a reader
```

```sh
echo $INSTALLED; cat name.txt
```

```text
{printed}
```

<!-- shown -->
```sh
exit 3
```
"""


def walked(folder, printed):
    (folder / "start.md").write_text(INSTALL)
    (folder / "page.md").write_text(TUTORIAL.format(printed=printed))
    command = [sys.executable, ROOT / "tools/walk_page.py", "page.md"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_what_is_printed_is_typed_and_compared(tmp_path):
    found = walked(tmp_path, "yes\na …")
    assert found.returncode == 0, found.stderr
    assert "export INSTALLED=yes" in found.stdout  # the other section of that page is not followed


def test_other_output_is_an_error_with_its_line(tmp_path):
    found = walked(tmp_path, "yes\nyou")
    assert (found.returncode, found.stderr) == (1, "page.md: the text in line 15: yes\na reader\n\n")


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_names_an_installation(page):
    sys.path.insert(0, str(ROOT / "tools"))
    from walk_page import installation

    _, blocks = installation(page)
    assert [block.text for block in blocks if block.text.startswith("sudo apt install")]
    assert [block.text for block in blocks if "pip install" in block.text]
