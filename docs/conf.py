"""Sphinx's settings: `nox -s docs` builds the site, without a network, into build/docs."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

import numpygrad  # noqa: E402

project = "numpygrad"
author = "the numpygrad developers"
release = version = numpygrad.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_design",
    "site_pages",
]
exclude_patterns = ["README.md"]  # the index for readers on a code host; here it is index.md
root_doc = "index"
nitpicky = True
default_role = "literal"

# Types of these are shown as they are; with the variable below, they are links.
nitpick_ignore_regex = [
    (r"py:.*", r"(numpy|np|collections|typing|types|contextlib|os|pathlib)\..*"),
    (r"py:.*", r"(scipy|jax|cupy)\b.*"),
    # Private: what backends and the engine hand to each other, and the variables of generic types.
    (r"py:.*", r"numpygrad\._(backend\.ArrayType|node\.Node|op\.\w+|diagram\.\w+)"),
    (r"py:.*", r"numpygrad\._(custom\.\w+\.F|compile\.R)"),
    (r"py:.*", r"(P|R|Executor|Storage|RandomSource|AbstractContextManager)"),
]
if os.environ.get("NUMPYGRAD_DOCS_INTERSPHINX"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
    }

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_fence_as_directive = ["mermaid"]

autosummary_generate = False
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {
    name: f"numpygrad.typing.{name}"
    for name in ("Axis", "DTypeLike", "Key", "Operand", "RawArray", "Scalar", "Shape", "Tree")
}
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = f"numpygrad {release}"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
}
copyright = "the numpygrad developers; MIT licence"  # noqa: A001 (Sphinx's name for it)
