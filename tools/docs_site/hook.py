"""MkDocs calls this while it builds the site: pages made from the code, diagrams, and checks."""

from __future__ import annotations

import re
from importlib.resources import files as resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

from tools.docs_site.commands import commands_page
from tools.docs_site.exit_statuses import exit_statuses_page
from tools.docs_site.foreign import foreign_addresses
from tools.docs_site.http_api import http_api_page
from tools.docs_site.technical_file import technical_file_text

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
CARDS = "detector/emotion/models/"
MERMAID = "assets/mermaid.js"
PAGES = {
    "reference/commands.md": commands_page,
    "reference/exit-statuses.md": exit_statuses_page,
    "reference/http-api.md": http_api_page,
}
"""Pages that only the site has, and what makes them."""
TECHNICAL_FILE = "<!-- technical file -->"
"""Where a page has the technical file, which is made from the shipped model's card."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is made from the code, the cards of the shipped models, and Mermaid's script."""
    for name, page in PAGES.items():
        files.append(File.generated(config, name, content=page()))
    for card in sorted((ROOT / CARDS).glob("*.md")):
        text = card.read_text(encoding="utf-8")
        files.append(File.generated(config, f"reference/models/{card.name}", content=text))
    script = resources("mermaidx").joinpath("assets/mermaid.js").read_text(encoding="utf-8")
    files.append(File.generated(config, MERMAID, content=script))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in the technical file; lead links to model cards beside the models to their pages."""
    if TECHNICAL_FILE in markdown:
        markdown = markdown.replace(TECHNICAL_FILE, technical_file_text())
    return re.sub(rf"\]\(((?:\.\./)+){CARDS}", r"](\1docs/reference/models/", markdown).replace(
        "../docs/", ""
    )


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Name the search for screen readers, and load Mermaid's script where a page has a diagram."""
    search = 'data-md-component="search" role="dialog"'
    output = output.replace(search, f'{search} aria-label="Search"')
    if '<pre class="mermaid">' not in output:
        return output
    up = "../" * page.url.count("/")
    return output.replace("</body>", f'<script src="{up}{MERMAID}"></script></body>')


def on_post_build(config: MkDocsConfig) -> None:
    """Fail if a page would load anything from another server."""
    foreign = foreign_addresses(Path(config.site_dir))
    if foreign:
        raise PluginError("Pages load from other servers: " + ", ".join(foreign))
