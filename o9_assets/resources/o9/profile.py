"""A contract profile: how a tenant's o9 is spoken to. o9 publishes no contract, so all of it is configuration.

The built-in profiles are observed, unconfirmed. A file of one's own is named in the settings by its path; it may name
a built-in one under `based_on` and say only what differs. docs/o9.md explains every key.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from o9_assets.failures import Permanent
from o9_assets.loopback import is_loopback
from o9_assets.planning.errors import Problem, SettingsError
from o9_assets.planning.model import Model, Wrong, suggest
from o9_assets.planning.problems import problems_of
from o9_assets.planning.source import read, read_file
from o9_assets.planning.tenant import Names
from o9_assets.resources.o9.paths import Paths, places_of

__all__ = ["Profile", "address", "load_profile"]

BUILT_IN = Path(__file__).with_name("profiles")


def _host_key(value: str) -> str:
    """A public key as known_hosts has it: its kind, and base64 that names the same kind (RFC 4253, 6.6)."""
    found = re.fullmatch(r"([a-z0-9@.-]+) ([A-Za-z0-9+/]+={0,2})( [^\r\n]*)?", value)
    if value and found is None:
        raise ValueError("is no host key; it is its kind and base64, such as ssh-ed25519 AAAA...")
    if found is not None:
        kind = found[1].encode()
        try:
            content = base64.b64decode(found[2], validate=True)
        except ValueError:
            content = b""
        if not content.startswith(len(kind).to_bytes(4, "big") + kind) or len(content) < len(kind) + 36:
            raise ValueError(f"is no whole {found[1]} key; copy it anew from what o9 told you")
    return value


def _folder(value: str) -> str:
    """A folder below the tenant's."""
    if ".." in value.split("/") or "\\" in value or not value.isprintable():
        raise ValueError(f"{value!r} leads out of the tenant's folder, or holds what no folder's name does")
    return value


def _address(value: Any) -> Any:
    """A base URL. One that holds a login or a query is not repeated in the error, for that may be a secret."""
    good = isinstance(value, str) and re.fullmatch(r"https?://([\w.-]+|\[[0-9a-f:]+\])(:\d{1,5})?(/[^\s@?#]*)?", value)
    if not good or (good[2] and int(good[2][1:]) > 65535):
        raise ValueError("must be an address such as https://acme.example.com, without login, query or fragment")
    if value.startswith("http:") and not is_loopback(good[1]):
        raise ValueError("must begin with https: others would read the key on the way; http is for this machine only")
    return value


def _secret_name(value: Any) -> Any:
    """The name of a secret. What is none is not repeated in the error: it may be the secret itself."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z][A-Z0-9_]*", value):
        raise ValueError("a secret is given by its NAME in capitals, such as O9_API_KEY, never by its value")
    return value


SecretName = Annotated[str, BeforeValidator(_secret_name)]
Folder = Annotated[str, AfterValidator(_folder)]
HostKey = Annotated[str, AfterValidator(_host_key)]
Address = Annotated[str, BeforeValidator(_address)]
Dimension = Literal["item", "location", "channel", "time"]


class Login(Model):
    """auth: login. Names of the secrets that hold user and password, and how long a token is asked for."""

    user: SecretName = Field("O9_USER", description="Name of the secret; never the user itself")
    password: SecretName = Field("O9_PASSWORD", description="Name of the secret; never the password itself")
    expiry_seconds: int = Field(3600, ge=60)


class Files(Model):
    """carrier: data_lake or sftp. Facts go as CSV files; a file is named after its content, so equal files are one."""

    folder: Folder = Field("inbound", description="Folder below the tenant's")
    name: str = Field("Fact.{measure_group}.{chunk}.csv", description="{measure_group} and {chunk} are filled in")
    delimiter: str = Field(",", pattern=r"^[,;|~^\t]$", description="One of , ; | ~ ^ and tab")
    control: str | None = Field(None, description="carrier: sftp; ending of an empty file that says a file is whole")
    outbound_folder: Folder = Field("outbound", description="Folder below the tenant's in which o9 drops its files")
    outbound_control: str | None = Field(
        None,
        description="Ending of the empty file that says that an outbound file is whole, where o9 makes one",
    )
    load_pipeline: str = Field(
        "LoadFacts", min_length=1, description="carrier: data_lake; pipeline that loads the files"
    )
    load_patience_seconds: float = Field(900, ge=0, description="How long o9 may take to load files")
    confirm: Literal["read_back", "receipt"] = Field(
        "read_back", description="Loaded cells are looked up by the API; or taken as loaded where there is none"
    )

    @model_validator(mode="after")
    def _name_holds_the_chunk(self) -> Files:
        try:
            places = set(places_of(self.name))
        except ValueError as error:
            raise Wrong((("name",), str(error))) from error
        if "chunk" not in places or places - {"chunk", "measure_group"}:
            raise Wrong((("name",), "must hold {chunk}, may hold {measure_group}, and nothing else in braces"))
        if "/" in self.name or "\\" in self.name or not self.name.isprintable():
            raise Wrong((("name",), "must be a file's name alone; its folder is files.folder"))
        return self


class Sftp(Model):
    """carrier: sftp. The host's key is pinned: with another one nothing is sent."""

    host: str = Field("sftp.o9.example.com", pattern=r"^[A-Za-z0-9._:-]+$")
    port: int = Field(2222, ge=1, le=65535)
    host_key: HostKey = Field("", description="As in known_hosts without the host, such as ssh-ed25519 AAAA...")
    user: SecretName = Field("O9_SFTP_USER", description="Name of the secret; never the user itself")
    key: SecretName = Field(
        "O9_SFTP_KEY", description="Name of the secret that holds the private key (OpenSSH), never the key"
    )


class Retry(Model):
    """How long to go on when o9 is busy or away."""

    patience_seconds: float = Field(180, ge=0, description="A request is given up after so long")
    first_pause_seconds: float = Field(0.5, gt=0, description="Doubled with each attempt, with jitter")
    longest_pause_seconds: float = Field(30, gt=0, description="Of our own pauses; Retry-After is obeyed in full")
    open_after_failures: int = Field(10, ge=1, description="Failures in a row after which o9 is left alone")
    cool_down_seconds: float = Field(30, ge=0, description="For so long; then one request tries")

    def pause(self, attempt: int) -> float:
        """Seconds to wait after an attempt, counted from 1, without jitter."""
        return min(self.first_pause_seconds * 2.0 ** min(attempt - 1, 30), self.longest_pause_seconds)


class Limits(Model):
    """What is taken for a fault rather than for much data."""

    pages: int = Field(100_000, ge=1, description="Pages of one read")
    refused_rows: int = Field(1_000, ge=1, description="Rows found by halving refused requests, in one delivery")
    requests_per_second: float | None = Field(None, gt=0, description="The tenant's rate limit; none is known")


class Profile(Model):
    """A tenant's contract."""

    name: str = Field(min_length=1)
    status: str = Field("observed, unconfirmed", description="How sure one can be of it")
    base_url: Address | None = Field(None, description="The tenant's address; O9_BASE_URL, where it is set, wins")
    auth: Literal["api_key", "login"] = Field(
        "api_key", description="`Authorization: ApiKey <key>`, or `Basic <token>` with the token that a login gives"
    )
    key: SecretName = Field("O9_API_KEY", description="auth: api_key; name of the secret, never the key itself")
    login: Login = Login()
    carrier: Literal["rest", "data_lake", "sftp"] = Field(
        "rest", description="How facts go in: by REST, as files into the tenant's data lake, or as files by SFTP"
    )
    files: Files = Files()
    sftp: Sftp = Sftp()
    tenant: str = Field("tenant", min_length=1, description="Tenant's id in paths")
    paths: Paths = Paths()
    page_size: int = Field(20_000, ge=1, le=1_000_000)
    batch_size: int = Field(5_000, ge=1, le=1_000_000, description="Rows of a request")
    concurrent_requests: int = Field(4, ge=1, le=64)
    timeout_seconds: float = Field(60, gt=0)
    time_attribute: str = Field(
        "StartDate", min_length=1, description="Time's attribute that date filters of facts go by"
    )
    create_members: tuple[Dimension, ...] = Field(
        ("item", "location", "channel", "time"), description="Dimensions whose members are created where o9 lacks them"
    )
    names: Names = Field(Names(), description="What the tenant calls columns, measures and time, for settings to use")
    plan_pipeline: str = Field(
        "plan", min_length=1, description="Pipeline that computes the plan and drops it as a file"
    )
    plan_patience_seconds: float = Field(900, ge=0, description="How long the plan's file is waited for")
    retry: Retry = Retry()
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _carrier_has_what_it_needs(self) -> Profile:
        if self.carrier == "sftp" and not self.sftp.host_key:
            raise Wrong((("sftp", "host_key"), "is needed with carrier: sftp; it is the host's key to expect"))
        if self.carrier == "data_lake" and self.paths.pipeline_status is None:
            raise Wrong((("paths", "pipeline_status"), "is needed with carrier: data_lake: when are files loaded?"))
        return self


def address(profile: Profile, given: str) -> str:
    """The base URL that is given, else the profile's. Raises Permanent where there is none."""
    found = given or profile.base_url
    if not found:
        raise Permanent("Nothing says where o9 is.", remedy="Set O9_BASE_URL, or base_url in the contract profile.")
    try:
        return str(_address(found))
    except ValueError as error:
        raise Permanent(f"O9_BASE_URL {error}.", remedy="Set it anew.") from error


def load_profile(name: str) -> Profile:
    """A built-in profile by name, or one's own by path. Raises SettingsError with the key, its line and the reason."""
    built_in = BUILT_IN / f"{name}.yaml"
    path = built_in if built_in.is_file() else Path(name)
    known = sorted(p.stem for p in BUILT_IN.glob("*.yaml"))
    if not path.is_file():
        message = f"no such profile{suggest(name, known)}; built in: {', '.join(known)}, or the path of a file"
        raise SettingsError(name, [Problem("o9.profile", None, message)], explained="docs/o9.md")
    values, lines = read(read_file(path), str(path))
    based_on = values.pop("based_on", None)
    if based_on is not None:
        if based_on not in known:
            message = f"{based_on!r} is no built-in profile{suggest(str(based_on), known)}; there are {known}"
            raise SettingsError(
                str(path), [Problem("based_on", lines.of(("based_on",)), message)], explained="docs/o9.md"
            )
        base, _ = read(read_file(BUILT_IN / f"{based_on}.yaml"), based_on)
        values = _merged(base, values)
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        raise SettingsError(str(path), problems_of(error, Profile, lines), explained="docs/o9.md") from error


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """`base` with what `own` says; mappings are merged key by key."""
    both = {
        key: _merged(base[key], own[key])
        for key in base
        if isinstance(base[key], dict) and isinstance(own.get(key), dict)
    }
    return {**base, **own, **both}
