from __future__ import annotations

import pytest

from tools.docs_site.foreign import foreign_addresses


@pytest.mark.parametrize(
    "foreign",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<script src="//cdn.example/a.js"></script>',
        '<link rel="stylesheet" href="https://fonts.example/css">',
        '<img src="a.png" srcset="a.png 1x, https://cdn.example/b.png 2x">',
        '<p style="background: url(https://cdn.example/b.png)">',
    ],
)
def test_what_a_page_loads_from_elsewhere_is_found(tmp_path, foreign):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "page.html").write_text(f"<html><body>{foreign}</body></html>")
    (found,) = foreign_addresses(tmp_path)
    assert found.startswith("a/page.html: ")
    assert "example" in found


def test_style_sheets_are_read(tmp_path):
    (tmp_path / "page.css").write_text("@font-face { src: url('https://fonts.example/a.woff2') }")
    assert foreign_addresses(tmp_path) == ["page.css: https://fonts.example/a.woff2"]


def test_links_and_what_lies_in_the_site_are_not_foreign(tmp_path):
    (tmp_path / "page.html").write_text(
        '<link rel="canonical" href="https://docs.example/"><a href="https://example.org">more</a>'
        '<script src="../assets/a.js"></script><img src="data:image/svg+xml,http://www.w3.org">'
    )
    assert foreign_addresses(tmp_path) == []
