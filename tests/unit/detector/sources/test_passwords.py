import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

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
        ("http://a:b@c/,http://d:e@f/", "http://a:***@c/,http://d:***@f/"),
        ("'http://a:b@c','http://d/?pwd=e'", "'http://a:***@c','http://d/?pwd=***"),
        ("http://host:8080/@me 12:30", "http://host:8080/@me 12:30"),
        ("rtsp://admin:p@ss@host/live", "rtsp://admin:***@host/live"),
        ("rtsp://admin:pa/ss@host:554/live", "rtsp://admin:***@host:554/live"),
        ("rtsp://admin:12/34@host", "rtsp://admin:***@host"),
        ("rtsp://admin:p?a#ss@host/live", "rtsp://admin:***@host/live"),
        ("rtsp://admin:p%40ss@host/live", "rtsp://admin:***@host/live"),
        ("rtsp://:secret@host", "rtsp://:***@host"),
        ("rtsp://a:b@[fe80::1]:554/x", "rtsp://a:***@[fe80::1]:554/x"),
        ("rtsp://[fe80::1]:554/x@y", "rtsp://[fe80::1]:554/x@y"),
        ("rtsp://10.0.0.5:554/x@y", "rtsp://10.0.0.5:554/x@y"),
        (
            "rtsp://10.0.0.5:554/user=admin&password=X&channel=1&stream=0.sdp?",
            "rtsp://10.0.0.5:554/user=admin&password=***&channel=1&stream=0.sdp?",
        ),
        ("rtsp://camera:554/user=admin&password=p@ss", "rtsp://camera:554/user=admin&password=***"),
        ("rtsp://h/user=admin_password=tl_channel=1", "rtsp://h/user=admin_password=***"),
        ("http://a:b@h/?pwd=c@d", "http://a:***@h/?pwd=***"),
        ("http://a:x?pwd=y@h/", "http://a:***@h/"),
        ("http://h/?loginuse=a&loginpas=b", "http://h/?loginuse=a&loginpas=***"),
        ("http://h/?access_token=b&size=3", "http://h/?access_token=***&size=3"),
        ("http://h/?apiKey=b&AUTH=c", "http://h/?apiKey=***&AUTH=***"),
        ("http://h/?monkey=1&author=2", "http://h/?monkey=1&author=2"),
        ("postgresql://host/d?user=u&password=X", "postgresql://host/d?user=u&password=***"),
        ("http://proxy/?url=rtsp://a:b@c/", "http://proxy/?url=rtsp://a:***@c/"),
        ("10.0.0.5/user=admin&password=X", "10.0.0.5/user=admin&password=***"),
        ("host=h password=X dbname=d", "host=h password=*** dbname=d"),
        ("/home/shop/rtsp:/admin:p@ss@host/live", "/home/shop/rtsp:/admin:***@host/live"),
        ("key=value, token=3", "key=value, token=3"),
    ],
)
def test_passwords_are_hidden_and_users_kept(text: str, shown: str) -> None:
    assert hide_passwords(text) == shown


@pytest.mark.parametrize("user", ["admin:secret", "token", "admin:pa/ss", "a:p@ss"])
def test_the_user_can_be_hidden_too(user: str) -> None:
    hidden = hide_passwords(f"rtsp://{user}@10.0.0.5:554/live", keep_user=False)
    assert hidden == "rtsp://***@10.0.0.5:554/live"


HOSTS = ["camera.shop", "10.0.0.5:554", "[fe80::1]:554", "localhost", "shop-2:8080"]
BEFORE_HOST = ["rtsp://admin:{}@{}/live", "postgresql+psycopg://u:{}@{}/ads", "http://:{}@{}"]
AFTER_HOST = [
    "rtsp://{1}/user=admin&password={0}",
    "http://{1}/video?pwd={0}",
    "http://{1}/video?user=a&PASSWORD={0}&channel=1",
    "http://{1}/?token={0}",
    "http://{1}/?x=1&api_key={0}&y=2",
    "http://{1}/?auth={0}",
    "postgresql://{1}/ads?user=u&password={0}",
]
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
PASSWORDS = st.one_of(
    ANY_TEXT, st.text("@/:?#&=%.,;'\"[]()*" + string.ascii_letters + string.digits, max_size=12)
).map(lambda text: "".join(text.split()))


@given(PASSWORDS.filter(bool), st.sampled_from(BEFORE_HOST), st.sampled_from(HOSTS), st.booleans())
def test_any_password_before_a_host_leaves_no_trace(
    password: str, shape: str, host: str, keep_user: bool
) -> None:
    # These are parts of addresses themselves.
    assume("://" not in password and "=" not in password)
    hidden = hide_passwords(f"Lost {shape.format(password, host)} now", keep_user=keep_user)
    kept = shape if keep_user else shape.replace("admin:", "").replace("u:", "").replace("/:", "/")
    assert hidden == f"Lost {kept.format('***', host)} now"


@given(PASSWORDS.filter(bool), st.sampled_from(AFTER_HOST), st.sampled_from(HOSTS))
def test_any_password_behind_a_host_leaves_no_trace(password: str, shape: str, host: str) -> None:
    assume("=" not in password)
    hidden = hide_passwords(f"Lost {shape.format(password, host)} now")
    assert hidden == f"Lost {shape.format('***', host)} now"


@given(
    st.tuples(PASSWORDS, PASSWORDS).map("={0[0]}://{0[1]}".format) | PASSWORDS,
    st.sampled_from(BEFORE_HOST + AFTER_HOST),
    st.sampled_from(HOSTS),
)
def test_no_password_is_left_whole(password: str, shape: str, host: str) -> None:
    secret = f"S3{password}S3"
    assert secret not in hide_passwords(shape.format(secret, host))


@given(
    st.lists(
        ANY_TEXT
        | st.builds(
            lambda shape, password, host: shape.format(password, host),
            st.sampled_from(BEFORE_HOST + AFTER_HOST),
            PASSWORDS,
            st.sampled_from(HOSTS),
        ),
        max_size=4,
    ).map(" ".join),
    st.booleans(),
)
def test_hiding_twice_changes_nothing(text: str, keep_user: bool) -> None:
    once = hide_passwords(text, keep_user=keep_user)
    assert hide_passwords(once, keep_user=keep_user) == once


@given(ANY_TEXT, st.sampled_from(HOSTS), st.text(string.ascii_letters + "/?&#.:-", max_size=20))
def test_text_without_secrets_is_unchanged(text: str, host: str, path: str) -> None:
    assume("://" not in text and "=" not in text)
    text = f"{text} http://{host}/{path} {text}"
    assert hide_passwords(text) == text
    assert hide_passwords(text, keep_user=False) == text
