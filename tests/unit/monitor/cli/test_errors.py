"""What is said where a library of an extra is missing; other errors are tested by their commands."""

import pytest

from monitor.cli.errors import is_callers_mistake, is_known, one_sentence


@pytest.mark.parametrize(
    ("module", "command"),
    [("prometheus_client", "make hub-setup"), ("keras", "make train-setup")],
)
def test_a_missing_extra_is_named(module, command):
    error = ModuleNotFoundError(f"No module named {module!r}", name=module)
    assert is_known(error)
    assert not is_callers_mistake(error)
    assert command in one_sentence(error)


def test_any_other_missing_module_is_a_bug():
    assert not is_known(ModuleNotFoundError("No module named 'monitor.nothing'", name="monitor"))
