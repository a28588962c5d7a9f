from __future__ import annotations

import ast

import pytest
from babel.messages.catalog import Catalog

from tools.languages import FOLDER, FOLDERS, KEYWORDS, ROOT, problems, texts, update

HEAD = b'# Ours\nmsgid ""\nmsgstr ""\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'


@pytest.fixture(scope="module")
def template() -> Catalog:
    return texts()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.po")), ids=lambda path: path.stem)
def test_every_text_is_translated_and_no_entry_is_left_over(path, template: Catalog) -> None:
    """If this fails: `make languages` adds and removes entries; translate the new ones."""
    assert list(problems(path.read_bytes(), template)) == []


def test_no_text_is_inside_an_f_string():
    """On Python 3.11 they would not be found there."""
    inside = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        for string in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(string, ast.JoinedStr)
        for call in ast.walk(string)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in KEYWORDS
    ]
    assert inside == []


@pytest.mark.parametrize(
    ("english", "translation", "found"),
    [
        ("Go", "Los", []),
        ("Go", "", ["no translation: 'Go'"]),
        ("%(n)s <b>x</b>", "<b>y</b> %(n)s", []),
        ("50%%", "50 %%", []),
        ("%(n)s x", "%(m)s y", ["other placeholders than the English text (m): '%(n)s x' and '%(m)s y'"]),
        ("50%%", "50 % ", ["other placeholders than the English text (None): '50%%' and '50 % '"]),
        ("<b>x</b>", "<b>y", ["other HTML tags than the English text: '<b>x</b>' and '<b>y'"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_translation_is_said(
    english: str, translation: str, found: list[str]
) -> None:
    expected = Catalog()
    expected.add(english)
    file = HEAD + f'msgid "{english}"\nmsgstr "{translation}"\n'.encode()
    assert list(problems(file, expected)) == found


def test_a_plural_may_leave_out_the_number_for_one() -> None:
    expected = Catalog()
    expected.add(("one x", "%(num)s xs"))
    entry = 'msgid "one x"\nmsgid_plural "%(num)s xs"\nmsgstr[0] "ein y"\nmsgstr[1] "%(num)s ys"\n'
    assert list(problems(HEAD + entry.encode(), expected)) == []


def test_an_update_keeps_the_head_and_translations_and_drops_what_is_used_nowhere() -> None:
    expected = Catalog()
    for text in ("New", "Kept"):
        expected.add(text, locations=[("a.py", 1)])
    before = HEAD + b'msgid "Kept"\nmsgstr "Bleibt"\n\nmsgid "Gone"\nmsgstr "Weg"\n'
    assert list(problems(before, expected)) == ["no translation: 'New'", "used nowhere: 'Gone'"]
    after = update(before, expected)
    assert after == HEAD + (
        b'#: a.py\nmsgid "New"\nmsgstr ""\n\n#: a.py\nmsgid "Kept"\nmsgstr "Bleibt"\n'
    )
    assert update(after, expected) == after


def test_of_an_entry_that_two_branches_added_the_translation_counts() -> None:
    expected = Catalog()
    expected.add("Go")
    entry = b'msgid "Go"\nmsgstr "%s"\n\n'
    for both in (entry % b"" + entry % b"Los", entry % b"Los" + entry % b""):
        assert list(problems(HEAD + both, expected)) == []
        assert update(HEAD + both, expected).endswith(b'msgid "Go"\nmsgstr "Los"\n')


SHOWN = {
    *("MediaError", "MissingMediaError", "HangingMediaError", "UnreadMediaError", "PlaylistError"),
    *("YamlFileError", "YamlProblemError", "SourceOpenError", "SourceLostError", "SensorDied"),
    *("SensorHealth", "CameraHealth", "PictureDecodeError", "Finding", "CommandResult"),
    *("ShowRefusedError", "HubUnreachableError", "HubRefusedError", "KeyFileError"),
    *("DocumentError", "MailError", "SendError", "MediaStoreError", "ProblemError", "FormError"),
    *("WrongPartError", "UploadGoneError", "DatabaseOpenError", "DatabaseUnavailableError"),
    *("DatabaseDamagedError", "DatabaseWriteError", "NoSuchSessionError", "SessionGoneError"),
    *("ReadingsElsewhereError", "SchemaVersionError", "ChannelError", "AccountError"),
}
"""What carries a sentence that a page, the window, a mail or the hub shows."""

ONLY_IN_THE_TERMINAL = (
    *(
        "monitor/cli/",
        "monitor/kiosk/doctor.py",
        "monitor/web/api/routes.py",
        "detector/image_analysis.py",
    ),
    "ads/playlists/playlist.py",
)


def test_what_is_shown_somewhere_is_a_text_of_the_catalogues():
    """If this fails: wrap the sentence in `lazy`, `make languages`, and translate it."""
    plain = []
    for path in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(ONLY_IN_THE_TERMINAL):
            continue
        for call in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(call, ast.Call) and _called(call) in SHOWN:
                values = [*call.args, *(keyword.value for keyword in call.keywords)]
                plain += [
                    f"{name}:{one.lineno}" for one in values if len(_literal(one).split()) > 3
                ]
    assert plain == []


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _literal(value: ast.expr) -> str:
    """Return what is written of a text, also in an f-string; empty for another value."""
    if isinstance(value, ast.JoinedStr):
        return " ".join(_literal(part) for part in value.values)
    is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return value.value if is_text else ""
