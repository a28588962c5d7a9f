"""What the project's own code may not do, found in its syntax trees: to load what executes, or to
trust what it need not.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("ads", "benchmarks", "db", "detector", "monitor", "training", "tools")
FILES = sorted(path for room in PACKAGES for path in (ROOT / room).rglob("*.py"))

FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "imp",
    "telnetlib",
}
FORBIDDEN_CALLS = {
    "eval": "executes text",
    "exec": "executes text",
    "compile": "makes code of text",
    "__import__": "imports what a text names",
    "os.system": "goes through a shell",
    "os.popen": "goes through a shell",
    "subprocess.getoutput": "goes through a shell",
    "subprocess.getstatusoutput": "goes through a shell",
    "tempfile.mktemp": "names a file that another may make first",
    "yaml.load": "makes objects; use ads.playlists.yaml_file.read_yaml",
    "yaml.unsafe_load": "makes objects",
    "yaml.full_load": "makes objects",
    "ssl._create_unverified_context": "trusts everybody",
    "torch.load": "unpickles",
    "pandas.read_pickle": "unpickles",
    "keras.models.model_from_json": "has no safe mode of its own",
    "keras.config.enable_unsafe_deserialization": "turns the safe mode off",
}
NEEDED = {
    "load": ("np", "allow_pickle", False),
    "load_model": ("keras", "safe_mode", True),
}
"""Calls of such a name on such a module must be given this argument with this value."""
FORBIDDEN_ARGUMENTS = {
    "shell": True,
    "verify": False,
    "allow_pickle": True,
    "safe_mode": False,
    "check_hostname": False,
}


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name; empty for other expressions."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def offences(source: str) -> list[str]:
    """What a module does that it may not, each with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [
                f"{node.lineno}: imports {name.name}"
                for name in node.names
                if _root(name.name) in FORBIDDEN_MODULES
            ]
        elif isinstance(node, ast.ImportFrom) and _root(node.module or "") in FORBIDDEN_MODULES:
            found.append(f"{node.lineno}: imports from {node.module}")
        elif isinstance(node, ast.Call):
            found += [f"{node.lineno}: {offence}" for offence in _in_call(node)]
    return found


def _root(module: str) -> str:
    return module.partition(".")[0]


def _in_call(call: ast.Call) -> list[str]:
    name = dotted(call.func)
    given = {
        word.arg: word.value.value for word in call.keywords if isinstance(word.value, ast.Constant)
    }
    found = [f"{name} {why}" for wrong, why in FORBIDDEN_CALLS.items() if name == wrong]
    found += [
        f"{name}({key}={value})"
        for key, value in FORBIDDEN_ARGUMENTS.items()
        if given.get(key, ...) is value
    ]
    root, _, last = name.partition(".")[0], ".", name.rpartition(".")[2]
    if last in NEEDED and root in {NEEDED[last][0], "numpy", "tf"}:
        _, key, value = NEEDED[last]
        if given.get(key, ...) is not value:
            found.append(f"{name} without {key}={value}")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import numpy as np\nnp.load('x.npz')",
        "np.load('x.npz', allow_pickle=True)",
        "keras.saving.load_model('x.keras')",
        "keras.saving.load_model('x.keras', safe_mode=False)",
        "import yaml\nyaml.load(text, Loader=yaml.Loader)",
        "subprocess.run('ls', shell=True)",
        "eval('1')",
        "tempfile.mktemp()",
        "session.get(url, verify=False)",
    ],
)
def test_an_offence_is_found(source):
    assert offences(source)


def test_what_is_right_is_no_offence():
    source = (
        "np.load(p, allow_pickle=False)\nkeras.saving.load_model(p, safe_mode=True)\nsubprocess.run(['ls'])\n"
        "application.exec_()\nre.compile('a')\nyaml.compose(text, Loader=yaml.SafeLoader)\njson.load(file)"
    )
    assert offences(source) == []


def test_no_module_of_the_project_offends():
    assert len(FILES) > 150
    found = {
        str(path.relative_to(ROOT)): wrong
        for path in FILES
        if (wrong := offences(path.read_text("utf-8")))
    }
    assert found == {}
