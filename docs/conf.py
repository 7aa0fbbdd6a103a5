"""The site of the documentation: `make docs` builds it into build/docs."""

from importlib.metadata import metadata
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, NumpyDocstring

import empycustom

project = "empycustom"
copyright = "the empycustom developers; Apache-2.0"
version = release = empycustom.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say what is taken and returned
# Others' names: nothing is looked up on the network.
nitpick_ignore_regex = [("py:.*", r"(Gst|numpy|np|typing|types)\..*")]

# What commands print is not for typing.
copybutton_selector = "div[class*=highlight-]:not(.highlight-text) pre"

html_theme = "furo"
html_title = f"empycustom {release}"
html_copy_source = html_show_sourcelink = False
html_use_index = html_domain_indices = False  # no page leads to them
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
# Each page has a link to its source, where pyproject.toml names the repository:
# urls = { Repository = "https://…" }
named = metadata("empycustom").get_all("Project-URL") or []
urls = dict(url.split(", ", 1) for url in named)
if "Repository" in urls:
    html_theme_options = {
        "source_repository": urls["Repository"],
        "source_branch": "main",
        "source_directory": "docs/",
    }
pygments_dark_style = "a11y-dark"  # furo's underlines modules, as if they were links

# The sections of docstrings (Parameters, Returns, Raises) are fields; as headings they
# would be as large as those of the page. Types stay words ("path, or list of them"),
# which are no references. Not the whole of napoleon: it takes the words before the
# first colon of a property's docstring for a type.
_SECTIONS = Config(
    napoleon_use_param=False,
    napoleon_use_rtype=False,
    napoleon_custom_sections=[("Attributes", "params_style")],
)


def make_fields(
    app: Sphinx, what: str, name: str, thing: object, options: Any, lines: list[str]
) -> None:
    """Change the lines of a docstring."""
    lines[:] = NumpyDocstring(
        lines,
        _SECTIONS,
        app,
        "function" if what == "property" else what,
        name,
        thing,
        options,
    ).lines()


def setup(app: Sphinx) -> None:
    """Extend Sphinx, which calls this."""
    app.connect("autodoc-process-docstring", make_fields)
