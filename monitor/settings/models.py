"""Every setting, once: default, bounds, help, option and place in the settings file.

The options of the command line, the environment variables, the settings file and its reference
page are all made from these models. Importing them loads neither OpenCV nor NumPy.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ads.policies import POLICY_NAMES
from ads.policies.settings import PolicySettings
from detector.settings import CameraMount, DetectionSettings, Device
from monitor.languages import language_codes, lazy
from monitor.settings.paths import default_database, default_hub_database

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from detector.analysis import AnalysisSettings

SECTIONS = {
    "ads": lazy("Which ads play, and in which order"),
    "camera": lazy("Where the pictures come from"),
    "faces": lazy("How faces are found and read"),
    "window": lazy("The window and its sound"),
    "notice": lazy("How people in front of the screen are informed"),
    "data": lazy("Where readings are stored, and for how long"),
    "report": lazy("The report at the end"),
    "run": lazy("How long the kiosk runs, and what keeps it running"),
    "uplink": lazy("The hub of many screens that the kiosk joins"),
    "mqtt": lazy("What is published for other programs"),
    "console": lazy(
        "Pages in the browser for this kiosk, unless it has joined a hub of many screens"
    ),
    "web": lazy("The web page of `serve` and `hub`"),
    "hub": lazy("The hub of many screens"),
    "training": lazy("What `train` does"),
}
"""The sections of the settings file."""

if TYPE_CHECKING:
    Policy = str
else:
    Policy = Literal[POLICY_NAMES]


def setting(
    default: Any,
    key: str,
    option: str | None = None,
    *,
    fallback: str | None = None,
    metavar: str | None = None,
    first: bool = False,
    **bounds: Any,
) -> Any:
    """Describe a field that users can set; its docstring is its help.

    Args:
        default: Its default, or a function that returns it.
        key: Section in the settings file, and its name there if not the field's: `section.name`.
        option: Its command-line option, by default `--` and its name in the settings file; `--x` of
            a bool also makes `--no-x`.
        fallback: What the default means, where the value does not say it.
        metavar: Placeholder for the value in the help.
        first: Whether `--help` shows it, not only `--help-all`.
        bounds: Bounds as `Field` takes them.
    """
    extra: Any = {"key": key, "option": option, "fallback": fallback, "metavar": metavar}
    extra["first"] = first
    given = {"default_factory": default} if callable(default) else {"default": default}
    return Field(**given, json_schema_extra=extra, **bounds)


def group(model: type[BaseModel], section: str, **options: str) -> Any:
    """Describe a field that holds another model, with the options of that model's fields."""
    return Field(
        default_factory=model, json_schema_extra={"section": section, "options": dict(options)}
    )


def _hours(value: tuple[str, ...]) -> tuple[str, ...]:
    from ads.playlists.playlist import parse_hours  # noqa: PLC0415 (slow to import)

    try:
        parse_hours(list(value))
    except ValueError as error:
        received = ", ".join(value)
        wrong = lazy(
            "%(expected)s, received %(received)s.", expected=error.args[0], received=received
        )
        raise ValueError(wrong) from None
    return value


def _languages() -> tuple[str, ...]:
    folder = Path(__file__).parents[1] / "ui" / "languages"
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def _language_of(known: tuple[str, ...], value: str) -> str:
    code = value.replace("_", "-").split("-")[0].strip().lower()
    if code not in known:
        raise ValueError(
            lazy(
                "expected one of %(names)s, received %(value)s",
                names=", ".join(known),
                value=repr(value),
            )
        )
    return code


def _split(value: Any) -> Any:
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        return value
    names = (name.strip() for part in parts for name in str(part).split(","))
    return tuple(dict.fromkeys(names))


def _list(value: Any) -> Any:
    return (value,) if isinstance(value, str | Path) else value


def _network(value: str) -> str:
    from ipaddress import ip_network  # noqa: PLC0415

    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        wrong = lazy(
            "expected a network such as 192.168.1.0/24, received %(value)s", value=repr(value)
        )
        raise ValueError(wrong) from None


def _broker(value: str | None) -> str | None:
    from monitor.settings.broker import Broker  # noqa: PLC0415 (rarely needed)

    if value is not None:
        Broker.parse(value)
    return value


def _mail(value: str | None) -> str | None:
    from monitor.settings.mail_server import MailServer  # noqa: PLC0415 (rarely needed)

    if value is not None:
        MailServer.parse(value)
    return value


def _web_parts(value: str) -> SplitResult | None:
    """Return the parts of an address with http or https; `None` if it is none."""
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        parts = urlsplit(value)
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_one else None


def _hub(value: str | None) -> str | None:
    if value is None:
        return None
    parts = _web_parts(value)
    if parts is None or parts.username is not None:
        raise ValueError(
            lazy(
                "expected an address such as https://hub.example.com, received %(value)s",
                value=repr(value),
            )
        )
    return value.rstrip("/")


def _discovery(value: str) -> str:
    if not value or any(mark in value for mark in "+#\0") or value.strip("/") != value:
        raise ValueError(
            lazy(
                "expected a topic without + or #, such as homeassistant, or none; received "
                "%(value)s",
                value=repr(value),
            )
        )
    return value


def _venue(value: str) -> str:
    parents = (
        *("transit", "retail", "outdoor", "health_beauty", "point_care", "education"),
        *("office_building", "entertainment", "government", "financial", "residential"),
    )
    if value.isdecimal():
        # Each tier below the first adds two digits, so 1101 is of 11 and 10101 of 1.
        top = int(value[: 2 - len(value) % 2])
        known = len(value) <= 6 and 1 <= top <= len(parents)
    else:
        word, *tiers = value.split(".")
        # Version 1.1 has one of the words in the plural.
        known = word in {*parents, "office_buildings"} and len(tiers) <= 2
        known = known and all(tier.replace("_", "").isalpha() for tier in tiers)
    if value and not known:
        raise ValueError(
            lazy(
                "expected a venue type of OpenOOH, as a number such as 203 or in words such as "
                "retail.grocery, beginning with one of %(parents)s; received %(value)s",
                parents=", ".join(parents),
                value=repr(value),
            )
        )
    return value


def _address(value: str) -> str:
    parts = None if re.search(r"\s", value) else _web_parts(value)
    if value and (parts is None or parts.path.strip("/") or parts.query or parts.fragment):
        raise ValueError(
            lazy(
                "expected an address without a path, such as https://hub.example.com, received "
                "%(value)s",
                value=value,
            )
        )
    return value.rstrip("/")


def _proxy(value: str | None) -> str | None:
    from ipaddress import ip_address  # noqa: PLC0415

    if value is None:
        return None
    try:
        return str(ip_address(value))
    except ValueError:
        wrong = lazy(
            "expected the IP address of the proxy, such as 127.0.0.1, received %(value)s",
            value=repr(value),
        )
        raise ValueError(wrong) from None


def _token(value: str | None) -> str | None:
    if value is not None and len(value) < 16:
        raise ValueError(
            lazy("expected at least 16 characters, received %(number)s", number=len(value))
        )
    return value


def _issuer(value: str | None) -> str | None:
    if value is None:
        return None
    parts = _web_parts(value)
    if (
        parts is None
        or (parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"})
        or parts.query
        or parts.fragment
    ):
        raise ValueError(
            lazy(
                "expected an address with https, such as https://login.example.com/realms/shop, "
                "received %(value)s",
                value=repr(value),
            )
        )
    return value


def _group_role(value: str) -> str:
    group, _, role = value.rpartition("=")
    # An agency needs a folder, which only an administrator of the hub can choose.
    roles = ("viewer", "editor", "approver", "operator", "admin")
    if not group.strip() or role.strip() not in roles:
        raise ValueError(
            lazy(
                "expected GROUP=ROLE with one of %(roles)s, received %(value)s",
                roles=", ".join(roles),
                value=repr(value),
            )
        )
    return f"{group.strip()}={role.strip()}"


def _zone(value: str | None) -> str | None:
    from monitor.settings.time_zone import zone_named  # noqa: PLC0415

    return value if value is None else zone_named(value).key


Hours = Annotated[tuple[str, ...], AfterValidator(_hours)]
Reports = Annotated[tuple[Path, ...], BeforeValidator(_list)]
Language = Annotated[str, AfterValidator(lambda value: _language_of(_languages(), value))]
ReportLanguage = Annotated[str, AfterValidator(lambda value: _language_of(language_codes(), value))]
Languages = Annotated[tuple[Language, ...], BeforeValidator(_split)]
Network = Annotated[str, AfterValidator(_network)]
Zone = Annotated[str | None, AfterValidator(_zone)]
HubAddress = Annotated[str | None, AfterValidator(_hub)]
BrokerAddress = Annotated[str | None, AfterValidator(_broker)]
MailAddress = Annotated[str | None, AfterValidator(_mail)]
DiscoveryPrefix = Annotated[str, AfterValidator(_discovery)]
Venue = Annotated[str, AfterValidator(_venue)]
Address = Annotated[str, AfterValidator(_address)]
Proxy = Annotated[str | None, AfterValidator(_proxy)]
Token = Annotated[str | None, AfterValidator(_token)]
Issuer = Annotated[str | None, AfterValidator(_issuer)]
GroupRole = Annotated[str, AfterValidator(_group_role)]


class _Settings(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", coerce_numbers_to_str=True, defer_build=True
    )


class ModelSettings(_Settings):
    """What classifies."""

    model: str | None = setting(None, "faces", fallback="the model in use", metavar="NAME|FILE")
    """Name of an emotion model, or a .keras file."""
    device: Device = setting("auto", "faces")
    """Processor of the emotion model."""


class PerceptionSettings(ModelSettings):
    """How faces become readings."""

    detection: DetectionSettings = group(
        DetectionSettings, "faces", smallest_face_px="--smallest-face", farthest_m="--farthest"
    )
    mount: CameraMount = group(
        CameraMount,
        "camera",
        view_angle_deg="--camera-angle",
        screen_width_cm="--screen-width",
        screen_height_cm="--screen-height",
        above_cm="--camera-above",
        right_cm="--camera-right",
        rotate="--rotate",
    )
    zones: Path | None = setting(None, "faces", fallback="the whole picture")
    """YAML file with parts of the picture to ignore, or in which viewers are only counted."""

    @cached_property
    def analysis(self) -> AnalysisSettings:
        """The detector's settings.

        Raises:
            ZonesError: The zones file is wrong.
        """
        from detector.analysis import AnalysisSettings  # noqa: PLC0415 (slow to import)
        from monitor.settings.zones_file import read_zones  # noqa: PLC0415

        zones = () if self.zones is None else read_zones(self.zones)
        return AnalysisSettings(detection=self.detection, camera=self.mount, zones=zones)


class PublishingSettings(_Settings):
    """What is published to an MQTT broker."""

    mqtt: BrokerAddress = setting(
        None, "mqtt.broker", "--mqtt", fallback="nothing is published", metavar="URL"
    )
    """Publish the state of the kiosk, or of all screens of a hub, to this MQTT broker:
    mqtt://user:password@host:1883/prefix, or mqtts:// for an encrypted connection. Topics begin
    with the prefix, by default ad-monitor."""
    mqtt_discovery: DiscoveryPrefix = setting(
        "homeassistant", "mqtt.discovery", "--mqtt-discovery", metavar="PREFIX|none"
    )
    """Where Home Assistant looks for new devices on the broker; none announces no device."""


class StoredSettings(_Settings):
    """Where sessions are stored."""

    database: str = setting(
        default_database,
        "data",
        "--db",
        fallback="monitor.db in your data folder",
        metavar="URL",
        first=True,
    )
    """Database: path of an SQLite file, or an SQLAlchemy URL."""


_NOT_LOGGED = (
    "camera console console_host console_port database detection hub hub_ca hub_media_gb log "
    "min_viewers mount mqtt mqtt_discovery mqtt_min_viewers notice_contact notice_officer "
    "notice_responsible playlist report report_language report_overwrite restart_limit "
    "shadow_model site source spool started_at stuck_after_s supervised timezone upload "
    "upload_min_viewers video zones"
)


class RecordingSettings(PerceptionSettings, StoredSettings):
    """What the kiosk and a replay have in common."""

    playlist: Path | None = setting(
        None, "ads", fallback="the bundled samples", metavar="FILE|FOLDER", first=True
    )
    """Ads to play: a YAML file, or a folder of pictures and videos."""
    policy: Policy = setting("sequential", "ads")
    """How the next ad is chosen: in order, shuffled, by weight, by the mood of the audience, or
    learnt from its reactions."""
    guard_rails: PolicySettings = group(
        PolicySettings,
        "ads",
        seed="--seed",
        holdout="--holdout",
        floor="--floor",
        wash_out_s="--wash-out",
        min_audience="--min-audience",
        blocked="--block",
    )
    loops: int | None = setting(None, "run", fallback="no limit", first=True, ge=1)
    """Stop after this many rounds of the playlist."""
    duration_s: float | None = setting(
        None, "run", "--duration", fallback="no limit", metavar="S", first=True, gt=0
    )
    """Stop after this many seconds."""
    shadow_model: str | None = setting(None, "faces", fallback="none", metavar="NAME|FILE")
    """A model that reads the same faces beside the one in use, at most twice a second each, and is
    only compared: `models shadow` reports the differences. Only counts are stored."""
    readings_per_second: float = setting(10.0, "data", ge=2, le=100)
    """Readings stored per viewer and second; below 5 there are no watchers."""
    measure_hours: Hours = setting((), "data", fallback="all day", metavar="HH:MM-HH:MM")
    """Measure only in these hours of the day, for example to leave out staff."""
    site: str = setting("default", "data", first=True, min_length=1)
    """Name of the site, shown in reports."""
    timezone: Zone = setting(
        None, "data", metavar="NAME", fallback="the playlist's, else the machine's"
    )
    """Time zone of the site, such as Europe/Berlin: of hours and days, and of its reports."""
    campaign: str = setting("", "data", metavar="NAME")
    """Name of the campaign, first in the titles of reports."""
    venue_type: Venue = setting("", "data", metavar="TYPE")
    """Venue type of the site in the OpenOOH taxonomy, as a number or in words: 203 or
    retail.grocery."""
    report: Reports = setting(
        (), "report.file", "--report", fallback="none", metavar="FILE", first=True
    )
    """Write a report at the end: .html, .pdf, .pptx, .xlsx, .json, .csv or .parquet. The name may
    contain {session}, {date}, {time} and {site}; if the file exists, the new one gets a number."""
    report_language: ReportLanguage = setting(
        "en", "report.language", "--report-language", metavar=f"[{'|'.join(language_codes())}]"
    )
    """Language of the report; JSON, CSV and Parquet are English."""
    report_overwrite: bool = setting(False, "report.overwrite", "--overwrite-report")
    """Replace an older report of the same name."""
    min_viewers: int = setting(1, "report", ge=1)
    """Withhold figures based on fewer viewers; 5 is usual for reports that are shared."""

    def logged(self) -> dict[str, object]:
        """Return the settings as stored with the session: no paths, nothing stored elsewhere."""
        dumped = self.model_dump(mode="json", exclude=set(_NOT_LOGGED.split()))
        return dumped | {"analysis": self.analysis.model_dump(mode="json")}


class RunSettings(RecordingSettings, PublishingSettings):
    """The kiosk.

    Attributes:
        no_camera: Why nothing is measured, in one sentence; `None` to measure.
        patient: Start the ads while the camera cannot be opened yet, and retry; never fall back to
            the demo viewer.
    """

    source: str | None = setting(
        None,
        "camera",
        fallback="the camera chosen before, else the first one, else demo",
        first=True,
    )
    """Camera index or stable name (/dev/v4l/by-id/...), http or rtsp address, video file, or demo.
    A session with a file is a replay, one with demo a demonstration: neither counts as live."""
    camera: bool = setting(True, "camera.enabled", "--camera")
    """Measure people; without it only the ads are shown."""
    picker: bool | None = setting(None, "camera", fallback="ask once if there are several")
    """Ask which camera to use."""
    headless: bool = setting(False, "window", first=True)
    """Run without a window, and therefore without a visible notice."""
    fullscreen: bool = setting(False, "window", first=True)
    """Start in full screen."""
    overlay: bool | None = setting(None, "window", fallback="in a window, but not in full screen")
    """Show live readings, with the people's own faces, over the ads; key O toggles it."""
    screen: int | None = setting(None, "window", fallback="the desktop decides", ge=1)
    """Screen number, from 1; an invalid number lists the screens."""
    volume: float = setting(1.0, "window", ge=0, le=1)
    """Volume of the ads' sound."""
    language: Language = setting(
        "en", "window", fallback="the system's, else en", metavar=f"[{'|'.join(_languages())}]"
    )
    """Language of the window."""
    notice: Literal["bar", "required"] = setting("bar", "notice.mode", "--notice")
    """bar shows the notice below the ads; required also shows it alone before the camera opens,
    and measures nothing while it is not on the screen."""
    notice_seconds: float = setting(
        5.0, "notice.seconds", "--notice-seconds", metavar="S", gt=0, le=120
    )
    """How long a required notice is shown alone."""
    notice_languages: Languages = setting(
        (), "notice.languages", "--notice-language", fallback="the window's"
    )
    """Languages of the notice."""
    notice_url: str = setting("", "notice.url", "--notice-url", metavar="URL")
    """Address where people can read more, shown as text and QR code."""
    notice_responsible: str = setting("", "notice.responsible", "--notice-responsible")
    """Who is responsible for the measurement: company or person, with its postal address. For the
    printed sign and the documents of `notice`."""
    notice_contact: str = setting("", "notice.contact", "--notice-contact")
    """Where people can ask and claim their rights: mail address or phone number."""
    notice_officer: str = setting(
        "", "notice.officer", "--notice-officer", fallback="there is none"
    )
    """The data protection officer's mail address or phone number, if there is one."""
    retention_days: int = setting(90, "data", "--retention", metavar="DAYS", ge=0, le=36_500)
    """Delete single readings after this many days (0 never); reports do not change."""
    spool: Path | None = setting(None, "data", fallback="beside the database", metavar="FOLDER")
    """Folder for records waiting while the database cannot be written, ideally on another disk."""
    supervised: bool = setting(False, "run")
    """Restart the kiosk if it dies or hangs, and wait for a camera that is missing at the start."""
    stuck_after_s: float = setting(10.0, "run", "--stuck-after", metavar="S", ge=3, le=600)
    """With --supervised: treat a window that has not painted for this long as hung."""
    restart_limit: int = setting(5, "run", ge=1, le=1_000_000)
    """With --supervised: after this many crashes within 10 minutes, show only ads for a day."""
    log: str | None = setting(
        None, "run", fallback="run.log in your state folder", metavar="FILE|none"
    )
    """Log file, at most five files of 2 MB; none keeps no log."""
    hub: HubAddress = setting(
        None, "uplink.hub", "--hub", fallback="the one that was joined, else none", metavar="URL"
    )
    """Address of the hub to join: the kiosk shows a code until somebody accepts it there."""
    upload: Literal["sums", "cells"] | None = setting(
        None, "uplink", fallback="as when the kiosk joined, else sums"
    )
    """What is sent to the hub: sums of each viewer and play, or cells, which are sums by ad, hour
    and second over several viewers."""
    upload_min_viewers: int | None = setting(
        None,
        "uplink.min_viewers",
        "--upload-min-viewers",
        fallback="as when the kiosk joined, else 5",
        ge=1,
    )
    """Send no cell of fewer viewers, and no reactions while fewer are in view."""
    hub_ca: Path | None = setting(None, "uplink.ca", "--hub-ca", fallback="the public ones")
    """File with the certificate authority that signed the hub's certificate (PEM)."""
    hub_media_gb: float = setting(
        20.0, "uplink.media_gb", "--hub-media-size", metavar="GB", ge=0, le=100_000
    )
    """The most that the media of the hub's shows may take on this machine's disk, in gigabytes."""
    mqtt_min_viewers: int = setting(5, "mqtt.min_viewers", "--mqtt-min-viewers", ge=1)
    """Do not publish how many look, or their expressions, while fewer viewers are there."""
    console: bool = setting(False, "console.enabled", "--console", first=True)
    """Offer pages for this kiosk alone in the browser: ads, playlists, reports, settings."""
    console_host: str = setting("127.0.0.1", "console.host", "--console-host")
    """Address of the pages in the browser; 0.0.0.0 lets other machines in, which need a login."""
    console_port: int = setting(8080, "console.port", "--console-port", ge=0, le=65535)
    """Port of the pages in the browser; 0 for any free one."""
    no_camera: str | None = None
    patient: bool = False


class ReplaySettings(RecordingSettings):
    """A recording, read as fast as the machine allows.

    Attributes:
        started_at: When it began; without a zone, in the playlist's. `None`: as the file states.
    """

    video: Path
    started_at: datetime | None = None


class WebSettings(ModelSettings, StoredSettings):
    """The web page.

    Attributes:
        allowed_hosts: Names under which the page may be requested, without ports; IP addresses are
            always allowed.
        rate_limit, read_limit: How often one visitor may send something, and open pages.
        listeners: Live pages that are fed at the same time, 0 or more.
    """

    host: str = setting("127.0.0.1", "web", first=True)
    """Address or name to listen on; 0.0.0.0 for all."""
    port: int = setting(8080, "web", first=True, ge=0, le=65535)
    """Port to listen on; 0 for any free one."""
    folders: tuple[Path, ...] = setting((), "web.media", fallback="this folder", metavar="FOLDER")
    """Folder with the ads' files, for thumbnails in reports."""
    token: str | None = setting(
        None, "web", fallback="none on this machine, else a new one for each run", first=True
    )
    """Token that visitors need, at least 16 characters; safer in $AD_MONITOR_TOKEN, where other
    users cannot see it."""
    min_viewers: int = setting(5, "web", ge=1)
    """Withhold figures based on fewer viewers."""
    networks: tuple[Network, ...] = setting(
        (), "web", "--allow-network", fallback="public addresses only"
    )
    """Also fetch pictures from this network, and send a hub's alerts into it, at any port. Every
    visitor can then make this machine contact addresses in it."""
    hosts: tuple[str, ...] = setting((), "web", "--allow-host")
    """Further name under which the page may be requested, such as that of a proxy."""
    secure_cookies: bool = setting(False, "web.https")
    """The page is reached only by https, through a proxy."""
    trusted_proxy: Proxy = setting(None, "web")
    """IP address of the proxy, whose X-Forwarded-For, -Host and -Proto are believed."""
    allowed_hosts: tuple[str, ...] = ("localhost",)
    rate_limit: str = "60 per minute"
    read_limit: str = "1200 per minute"
    listeners: int = 8


class HubSettings(WebSettings, PublishingSettings):
    """The hub: the web page of many screens, with accounts."""

    database: str = setting(
        default_hub_database,
        "hub.database",
        "--db",
        fallback="hub.db in your data folder",
        metavar="URL",
        first=True,
    )
    """Database of the hub: path of an SQLite file for a few screens, or an SQLAlchemy URL such as
    postgresql+psycopg://user@host/name."""
    url: Address = setting(
        "", "hub", fallback="http://localhost and the port", metavar="URL", first=True
    )
    """Address under which people and kiosks reach the hub, for links."""
    token: Token = setting(None, "hub.token", fallback="none", first=True)
    """Token with which programs such as Prometheus may read, at least 16 characters; safer in
    $AD_MONITOR_TOKEN. People have accounts."""
    certificate: Path | None = setting(None, "hub", fallback="no TLS, or that of a proxy")
    """PEM file with the certificate for the hub's name and its chain; it is read again after a
    renewal."""
    private_key: Path | None = setting(None, "hub", fallback="in the file of the certificate")
    """PEM file with the certificate's key, without a password."""
    require_second_factor: Literal["none", "admins", "all"] = setting("none", "hub")
    """Who must type a code from their phone after the password; others may choose to. Single
    sign-on has its own rules."""
    audit_days: int = setting(730, "hub", metavar="DAYS", ge=0, le=36_500)
    """Delete entries of the audit log after this many days (0 never)."""
    oidc_issuer: Issuer = setting(None, "hub", fallback="no single sign-on", metavar="URL")
    """Address of the OpenID Connect provider for single sign-on, exactly as it names itself."""
    oidc_client_id: str = setting("", "hub", fallback="none")
    """Name under which the provider knows this hub."""
    oidc_client_secret: str | None = setting(None, "hub", fallback="none")
    """Secret that the provider gave this hub; safer in $AD_MONITOR_OIDC_CLIENT_SECRET."""
    oidc_groups: tuple[GroupRole, ...] = setting((), "hub", "--oidc-group", metavar="GROUP=ROLE")
    """Members of this group of the provider get this role at each login; the first match counts,
    and people in none of the groups are refused."""
    lake: str | None = setting(
        None, "hub", fallback="none", metavar="FOLDER|s3://BUCKET/PREFIX", first=True
    )
    """The lake: Parquet files of sums and plays by day, which `hub serve` writes each night."""
    media: str | None = setting(
        None,
        "hub.media",
        "--media-store",
        fallback="the folder media beside the database",
        metavar="FOLDER|s3://BUCKET/PREFIX",
        first=True,
    )
    """The media store: pictures and videos of the library."""
    max_upload: float = setting(2.0, "hub", metavar="GB", gt=0, le=4)
    """Largest file of the library, in GB."""
    mail: MailAddress = setting(
        None, "hub", fallback="none, so reports are not sent", metavar="URL"
    )
    """Mail server that sends reports: smtps://user:password@host?from=ads@example.com, or smtp://
    for STARTTLS; safer in $AD_MONITOR_MAIL, where other users cannot see it."""
    message_language: ReportLanguage = setting(
        "en", "hub", metavar=f"[{'|'.join(language_codes())}]"
    )
    """Language of the alerts and reports that the hub sends to people; programs get English."""
    # A hundred people behind one address watch the wall, which asks every five seconds.
    read_limit: str = "6000 per minute"

    @property
    def url_host(self) -> str:
        """The name in `url`; empty without one."""
        from urllib.parse import urlsplit  # noqa: PLC0415

        return urlsplit(self.url).hostname or ""


class TrainSettings(_Settings):
    """A training run; `None` leaves a value to the architecture's recipe."""

    data: Path | None = setting(None, "training", first=True)
    """FER2013's fer2013.csv (plain, .xz, .gz, .bz2, .zip), or a folder split/class/picture or
    class/picture."""
    votes: Path | None = setting(None, "training", first=True)
    """FER+'s fer2013new.csv, beside the CSV."""
    overlay: Path | None = setting(None, "training", metavar="FILE")
    """Labels that `review` has changed or dropped: they replace the published ones."""
    out: Path | None = setting(None, "training", metavar="FOLDER", first=True)
    """Folder of the run; a run found there is continued."""
    name: str | None = setting(None, "training", fallback="the folder's")
    """Name of the model."""
    architecture: str = setting("compact", "training", first=True)
    """Network to train, such as compact or vgg16; an unknown name lists them."""
    labels: str | None = setting(None, "training", fallback="all classes")
    """seven, happy-sad, marketing, or names separated by commas."""
    targets: Literal["votes+original", "votes", "majority", "original"] | None = setting(
        None, "training", fallback="votes+original if there are votes, else original"
    )
    """What to learn from a face."""
    start: str | None = setting(None, "training", metavar="NAME|FILE")
    """Fine-tune this model instead of starting fresh."""
    teachers: tuple[str, ...] = setting((), "training", "--teacher", metavar="NAME|FILE")
    """Distil from this model, from both heads if it has two."""
    unlabelled: Path | None = setting(None, "training", metavar="FOLDER|CSV")
    """Further faces, without labels, for the teachers to label."""
    weights: str | None = setting(
        None, "training", fallback="imagenet", metavar="imagenet|none|FILE"
    )
    """Pretrained, frozen part of vgg16; none trains all of it."""
    find_faces: bool = setting(False, "training")
    """The pictures are photographs: crop the faces first."""
    hold_out: float | None = setting(
        None,
        "training",
        fallback="0.08 if there is a validation but no test split, else 0",
        metavar="SHARE",
        ge=0,
        le=0.5,
    )
    """Share of the training faces that chooses epoch and calibration; the validation split is then
    the test, if there is no other."""
    limit: int | None = setting(None, "training", fallback="all", ge=1)
    """Train on at most this many faces; fewer validation faces in proportion."""
    epochs: int | None = setting(None, "training", fallback="the recipe's", first=True, ge=1)
    """Epochs at the size of the recipe's last stage."""
    stages: str | None = setting(None, "training", fallback="the recipe's")
    """Picture side and epochs of each stage, such as 32:12,48:18."""
    minutes: float | None = setting(None, "training", fallback="no limit", first=True, gt=0)
    """Fit the whole schedule into this time."""
    batch_size: int | None = setting(None, "training", fallback="the recipe's", ge=1)
    """Faces per step."""
    learning_rate: float | None = setting(None, "training", fallback="the recipe's", gt=0)
    """Peak learning rate."""
    balance: float | None = setting(None, "training", fallback="the recipe's", ge=0, le=1)
    """Balancing of the classes, from 0 (as they come) to 1 (equal)."""
    augmentation: Literal["full", "gentle", "none"] = setting("full", "training")
    """Strength of the random changes."""
    mixup: float | None = setting(None, "training", fallback="the recipe's", ge=0)
    """Blend pairs of faces; 0.2 is usual."""
    expression_strength: float | None = setting(
        None, "training", fallback="the recipe's", ge=0, le=1
    )
    """Make expressions weaker and stronger by up to this share; 0 leaves them."""
    cover_share: float | None = setting(None, "training", fallback="the recipe's", ge=0, le=1)
    """Draw glasses, a mask, a hand or a hat into this share of the faces; 0 draws none."""
    patience: int | None = setting(None, "training", fallback="the recipe's", ge=0)
    """Stop after this many epochs without a better validation loss; 0 never."""
    mixed_precision: Literal["auto", "on", "off"] = setting("auto", "training")
    """Compute with 16 bits; auto does so if that is faster on this GPU or, as measured, on this
    processor."""
    seed: int | None = setting(None, "training", fallback="the recipe's", ge=0)
    """Seed of every random choice."""
    h5: bool = setting(False, "training")
    """Also write the older HDF5 format."""
    tensorboard: bool = setting(False, "training")
    """Also write TensorBoard logs."""


MODELS: tuple[type[_Settings], ...] = (RunSettings, WebSettings, HubSettings, TrainSettings)
"""All models that the settings file feeds; a replay's settings are among the kiosk's."""
