from __future__ import annotations

import pytest
from jinja2 import Environment
from markupsafe import Markup

from monitor.languages import lazy, numeral, speaking
from monitor.languages.jinja import install_texts, spoken


@pytest.fixture
def environment() -> Environment:
    def final(value: object) -> object:
        is_text = isinstance(value, str) and not isinstance(value, Markup)
        return str(value).replace("\a", "!") if is_text else value

    made = Environment(autoescape=True, finalize=final)
    install_texts(made)
    return made


@pytest.mark.parametrize(
    ("source", "english", "german"),
    [
        ("{{ _('Log out %(name)s', name='<b>') }}", "Log out &lt;b&gt;", "&lt;b&gt; abmelden"),
        ("{{ _('Log out %(name)s', name='\a') }}", "Log out !", "! abmelden"),
        ("{% trans %}Log out{% endtrans %}", "Log out", "Abmelden"),
        ("{% trans %}\n  Log\n  out\n{% endtrans %}", "Log out", "Abmelden"),
        ("{% trans name='<b>' %}Log out {{ name }}{% endtrans %}", "Log out &lt;b&gt;", "&lt;b&gt; abmelden"),
        ("{{ ngettext('%(num)s x', '%(num)s xs', 1200) }}", "1,200 xs", "1.200 xs"),
        ("{{ _('100%% <b>sure</b>') }}", "100% <b>sure</b>", "100% <b>sure</b>"),
        ("{{ entry }}", "Screens", "Bildschirme"),
        ("{{ language() }}", "en", "de"),
    ],
)  # fmt: skip
def test_templates_speak_the_language_and_escape_values(
    environment: Environment, source: str, english: str, german: str
) -> None:
    template = environment.from_string(source)
    assert template.render(entry=lazy("Screens")) == english
    with speaking("de"):
        assert template.render(entry=lazy("Screens")) == german


def test_a_filter_of_a_constant_is_not_kept_in_the_first_language(environment: Environment) -> None:
    environment.filters["numeral"] = spoken(numeral)
    template = environment.from_string("{{ '0.5' | numeral }}")
    assert template.render() == "0.5"
    with speaking("de"):
        assert template.render() == "0,5"
