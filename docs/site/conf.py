"""What Sphinx reads; ``python -m docs.site`` calls it with a source folder that it has filled."""

from importlib.metadata import version as installed

project, author = "jaxtricks", "the maintainers of jaxtricks"
project_copyright = author
release = version = installed("jaxtricks")
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser", "sphinx_design", "docs.site.mathml"]
html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"jaxtricks {version}"
html_css_files = ["site.css", "series.css"]
html_show_sourcelink = False
html_copy_source = False
pygments_style, pygments_dark_style = "tango", "native"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
napoleon_use_param = napoleon_use_rtype = False
napoleon_custom_sections = [("Fields", "params_style"), ("Reference", "notes_style")]
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
toc_object_entries = False
exclude_patterns = ["_extra", "_static", "pictures"]
