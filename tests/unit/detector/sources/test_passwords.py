import pytest

from detector.sources.passwords import hide_passwords


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("monitor.db", "monitor.db"),
        ("sqlite:////var/lib/monitor.db", "sqlite:////var/lib/monitor.db"),
        ("postgresql+psycopg://a:b:c@host:5432/d", "postgresql+psycopg://a:***@host:5432/d"),
        ("postgresql://a@host/d", "postgresql://a@host/d"),
        ("Lost rtsp://shop:secret@10.0.0.7/1 now", "Lost rtsp://shop:***@10.0.0.7/1 now"),
        ("http://a:b@c/, http://d:e@f/", "http://a:***@c/, http://d:***@f/"),
        ("http://host:8080/@me 12:30", "http://host:8080/@me 12:30"),
    ],
)
def test_passwords_are_hidden_and_users_kept(text: str, shown: str) -> None:
    assert hide_passwords(text) == shown


@pytest.mark.parametrize("user", ["admin:secret", "token"])
def test_the_user_can_be_hidden_too(user: str) -> None:
    hidden = hide_passwords(f"rtsp://{user}@10.0.0.5:554/live", keep_user=False)
    assert hidden == "rtsp://***@10.0.0.5:554/live"
