"""Every setting of the kiosk's file as a form."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import text as sql

from db.hub.tables.people import ROLES
from monitor.settings.console_order import ConsoleOrder
from monitor.settings.models import SECTIONS
from monitor.settings.sources import SettingsFile, all_settings
from monitor.web.kiosk_console import Console
from monitor.web.pages.kiosk_settings import TITLES
from monitor.web.services import EXTENSION

PAGE = {"Origin": "http://localhost"}


@pytest.fixture
def console(tmp_path):
    order = ConsoleOrder(
        database=tmp_path / "kiosk.db",
        settings_file=tmp_path / "kiosk.yaml",
        options={"volume": 0.4},
    )
    return Console(order)


def form_of(client, section):
    """What a browser would send of a page that nobody has touched."""
    page = client.get(f"/settings/{section}").text
    form = {"seen": re.search(r'name="seen" value="(\w*)"', page)[1]}
    for key in all_settings():
        if not key.startswith(f"{section}."):
            continue
        form[key] = ""
        found = re.search(rf'<input[^>]* name="{re.escape(key)}"[^>]* value="([^"]*)"', page)
        area = re.search(rf'<textarea[^>]* name="{re.escape(key)}"[^>]*>([^<]*)<', page)
        select = re.search(rf'<select[^>]* name="{re.escape(key)}".*?</select>', page, re.DOTALL)
        chosen = select and re.search(r'value="([^"]*)" selected', select[0])
        for match in (found, area, chosen):
            if match:
                form[key] = html.unescape(match[1])
    return form


def save(client, section, **changes):
    form = form_of(client, section) | {k.replace("__", "."): v for k, v in changes.items()}
    return client.post(f"/settings/{section}", data=form, headers=PAGE)


def test_the_owner_of_one_kiosk_is_told_of_the_set_up_not_of_a_hub(app, admin):
    page = app.test_client().get("/login").text
    assert "The account admin has the password that was chosen" in page
    assert "this hub" not in page
    page = admin.get("/").text
    assert "The screen shows the ads from its settings." in page
    assert "until your ads are on a screen" not in page


def test_the_sections_have_titles():
    assert list(TITLES) == list(SECTIONS)


def test_only_administrators_see_and_change_settings(app, as_):
    for role in ROLES:
        client = as_(role)
        expected = 200 if role == "admin" else 403
        assert client.get("/settings").status_code == expected
        assert client.get("/settings/data").status_code == expected
        sent = client.post("/settings/data", data={"data.site": "x"}, headers=PAGE)
        assert sent.status_code in ({303} if role == "admin" else {403})
    assert app.test_client().get("/settings").status_code in {303, 401}


def test_every_setting_is_on_a_page_and_an_untouched_form_changes_nothing(admin, console):
    console.order.settings_file.write_text(
        "# ours\nads:\n  blocked: [a, b]\nwindow:\n  volume: 0.2\n  fullscreen: true\n"
        "notice:\n  mode: required\nmqtt:\n  broker: mqtt://me:secret@host\n"
    )
    before = console.order.settings_file.read_text()
    shown = ""
    for section in SECTIONS:
        shown += admin.get(f"/settings/{section}").text
        assert save(admin, section).location == f"/settings/{section}?done=same"
    for key in all_settings():
        assert f'name="{key}"' in shown
    assert "secret@" not in shown
    assert console.order.settings_file.read_text() == before
    assert admin.get("/settings/nothing").status_code == 404


def test_help_and_mistakes_are_in_the_language_of_the_page(admin):
    german = {"Accept-Language": "de"}
    page = admin.get("/settings/window", headers=german).text
    assert "Lautstärke der Spots. Erwartet: eine Zahl von 0 bis 1." in page
    assert "Volume" not in page
    form = form_of(admin, "window") | {"window.volume": "7"}
    sent = admin.post("/settings/window", data=form, headers=PAGE | german)
    assert (sent.status_code, "Erwartet wird eine Zahl von 0 bis 1, nicht 7." in sent.text) == (
        400,
        True,
    )


def test_a_change_is_written_and_noted_with_comments_kept(app, admin, console):
    path = console.order.settings_file
    path.write_text("# ours\ndata:\n  site: Shop 12  # by the door\n")
    sent = save(
        admin,
        "data",
        data__site="Shop 13",
        data__measure_hours="08:00-12:00\r\n13:00-18:00",
        data__retention_days="30",
    )
    assert sent.location == "/settings/data?done=saved"
    assert "The settings are saved" in admin.get(sent.location).text
    assert path.read_text().startswith("# ours\ndata:\n  site: Shop 13  # by the door\n")
    values = SettingsFile(path).values
    assert values["data.measure_hours"] == ["08:00-12:00", "13:00-18:00"]
    assert values["data.retention_days"] == 30
    assert save(admin, "data", data__retention_days="").status_code == 303
    assert "data.retention_days" not in SettingsFile(path).values
    with app.extensions[EXTENSION].engine.connect() as connection:
        rows = connection.execute(
            sql("SELECT action, before, after FROM audit_entries WHERE action = 'settings.change'")
        ).all()
    assert '"data.site": "Shop 12"' in rows[0].before
    assert '"data.site": "Shop 13"' in rows[0].after


def test_a_mistake_is_beside_its_field_and_nothing_is_written(admin, console):
    sent = save(admin, "window", window__volume="7", window__screen="2", window__fullscreen="true")
    assert sent.status_code == 400
    assert "One setting cannot be used; nothing was saved." in sent.text
    assert 'id="window-volume-wrong"' in sent.text
    assert "Expected a number from 0 to 1, received 7" in sent.text
    assert 'value="7"' in sent.text
    assert not console.order.settings_file.exists()


def test_an_option_above_the_file_is_named(admin):
    assert (
        "from the option --volume, which comes before the file"
        in admin.get("/settings/window").text
    )


def test_a_change_by_somebody_else_in_between_is_not_overwritten(admin, console):
    form = form_of(admin, "data") | {"data.site": "Mine"}
    console.order.settings_file.write_text("data:\n  site: Theirs\n")
    sent = admin.post("/settings/data", data=form, headers=PAGE)
    assert sent.status_code == 409
    assert "changed by somebody else" in sent.text
    assert console.order.settings_file.read_text() == "data:\n  site: Theirs\n"


def test_secrets_are_kept_replaced_and_removed(app, admin, console):
    path = console.order.settings_file
    path.write_text("mqtt:\n  broker: mqtt://me:old-secret@host\n")
    save(admin, "mqtt", mqtt__min_viewers="7")
    assert SettingsFile(path).values["mqtt.broker"] == "mqtt://me:old-secret@host"
    save(admin, "mqtt", mqtt__broker="mqtt://me:new-secret@host")
    assert SettingsFile(path).values["mqtt.broker"] == "mqtt://me:new-secret@host"
    form = form_of(admin, "mqtt") | {"mqtt.broker-default": "yes"}
    admin.post("/settings/mqtt", data=form, headers=PAGE)
    assert "mqtt.broker" not in SettingsFile(path).values
    with app.extensions[EXTENSION].engine.connect() as connection:
        rows = connection.execute(sql("SELECT before, after FROM audit_entries")).all()
    assert "secret" not in str(rows)


def test_a_damaged_file_is_said_and_left_alone(admin, console):
    console.order.settings_file.write_text("data: [wrong\n")
    assert "is not valid YAML" in admin.get("/settings").text
    assert "is not valid YAML" in save(admin, "data", data__site="x").text
    assert console.order.settings_file.read_text() == "data: [wrong\n"


def test_starting_again_is_offered_where_the_kiosk_listens(admin, console):
    assert admin.post("/settings/start-again", headers=PAGE).status_code == 404
    told = []
    console.restart = lambda: told.append("again")
    assert "Start the kiosk again" in admin.get("/settings").text
    assert admin.post("/settings/start-again", headers=PAGE).location == "/settings?done=again"
    assert told == ["again"]
