"""What is said where a library of an extra is missing; other errors are tested by their commands."""

from monitor.cli.errors import is_callers_mistake, is_known, one_sentence


def test_a_missing_extra_is_named():
    error = ModuleNotFoundError("No module named 'keras'", name="keras")
    assert is_known(error)
    assert not is_callers_mistake(error)
    assert "make train-setup" in one_sentence(error)


def test_any_other_missing_module_is_a_bug():
    assert not is_known(ModuleNotFoundError("No module named 'monitor.nothing'", name="monitor"))
