"""A missing extra is named in one sentence; other import errors stay what they are."""

from __future__ import annotations

import sys

import pytest

from detector.errors import DetectorError, MissingExtraError, import_extra, lacks_extra


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:2])
    with pytest.raises(
        MissingExtraError, match=r"`make train-setup` or `pip install '.*\[training\]'`"
    ):
        import_extra("tensorflow")
    assert issubclass(MissingExtraError, DetectorError)


@pytest.mark.parametrize(
    ("name", "lacks"), [("keras", True), ("tensorflow", True), ("yaml", False)]
)
def test_only_the_libraries_of_the_extra_count(name: str, lacks: bool) -> None:
    assert lacks_extra(ModuleNotFoundError(f"No module named {name!r}", name=name)) is lacks
    assert not lacks_extra(ValueError(name))
