"""A contract profile is read, checked, and a wrong one is told with the key, the line and the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from o9_assets.failures import Permanent
from o9_assets.planning.errors import SettingsError
from o9_assets.resources.o9 import Profile, address, load_profile
from o9_assets.resources.o9.profile import BUILT_IN

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43


@pytest.mark.parametrize("name", sorted(path.stem for path in BUILT_IN.glob("*.yaml")))
def test_every_built_in_profile_is_good_and_says_that_nobody_confirmed_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(f"based_on: {name}\nsftp: {{host_key: {HOST_KEY}}}\n")
    profile = load_profile(str(path))
    assert profile.name == name
    assert profile.status == "observed, unconfirmed"


@pytest.mark.faults
def test_sftp_is_not_spoken_without_a_host_key_of_ones_own() -> None:
    with pytest.raises(SettingsError, match=r"sftp\.host_key: is needed with carrier: sftp") as told:
        load_profile("sftp")
    assert told.value.remedy == "docs/o9.md explains every key."


def test_a_profile_of_ones_own_says_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "based_on: platform\nname: own\ntenant: acme\nretry: {patience_seconds: 5}\n"
        "paths: {members: '/m/{dimension}'}\n"
    )
    profile = load_profile(str(path))
    assert (profile.tenant, profile.retry.patience_seconds, profile.paths.members) == ("acme", 5, "/m/{dimension}")
    assert profile.paths.facts == load_profile("platform").paths.facts
    assert profile.batch_size == load_profile("platform").batch_size


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\npage_sise: 5\n", r"line 2: page_sise: there is no such key; did you mean 'page_size'\?"),
        ("name: x\nretry:\n  pauses: 5\n", r"line 3: retry\.pauses: there is no such key"),
        ("name: x\nbatch_size: 0\n", r"line 2: batch_size: .*greater than or equal to 1; found 0"),
        ("name: x\npaths: {facts: 'api'}\n", r"line 2: paths\.facts: .*must begin with one '/'"),
        ("name: x\npaths: {facts: '/a/{measuregroup}'}\n", r"did you mean 'measure_group'\?"),
        ("name: x\npaths: {facts: '//elsewhere/{measure_group}'}\n", r"must begin with one '/'"),
        ("name: x\npaths: {members: '/m/{model}'}\n", r"line 2: paths\.members: must hold \{dimension\}"),
        ("name: x\npaths: {query: '/q/{run}'}\n", r"paths\.query: \{run\} is not known here; there are \{model\}"),
        ("name: x\npaths: {upload: '/u/{file!r}'}\n", r"stands alone in its braces"),
        ("name: x\nfiles: {name: '{chunk:.3}.csv'}\n", r"line 2: files\.name: \{chunk\} stands alone"),
        ("name: x\nfiles: {name: '../{chunk}.csv'}\n", r"line 2: files\.name: must be a file's name alone"),
        ("name: x\nfiles: {folder: ../other}\n", r"line 2: files\.folder: .*leads out"),
        ("name: x\nfiles: {delimiter: '\"'}\n", r"line 2: files\.delimiter: "),
        ("name: x\nsftp: {host: '*'}\n", r"line 2: sftp\.host: "),
        ("name: x\nsftp: {host_key: ssh-ed25519 replace-me}\n", r"line 2: sftp\.host_key: is no host key"),
        ("name: x\nsftp: {host_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5}\n", r"is no whole ssh-ed25519 key"),
        ("name: x\nbase_url: acme.example.com\n", r"line 2: base_url: must be an address such as https://"),
        ("name: x\nbase_url: ftp://acme.example.com\n", r"base_url: must be an address"),
        ("name: x\nbase_url: http://acme.example.com\n", r"base_url: must begin with https"),
        ("name: x\nbase_url: http://localhost.example.com\n", r"base_url: must begin with https"),
        ("name: x\nbase_url: 'https://acme.example.com:99999'\n", r"base_url: must be an address"),
        ("name: x\nbase_url: 'https://[::1'\n", r"base_url: must be an address"),
        ("name: x\nkey: abc-123-secret\n", r"by its NAME in capitals"),
        ("name: x\nauth: oauth\n", r"line 2: auth: "),
        ("based_on: platfrom\n", r"line 1: based_on: .*did you mean 'platform'\?"),
        ("name: x\nname: y\n", r"stands twice"),
        ("- a\n", r"must be a mapping"),
    ],
)
def test_a_wrong_profile_is_told_with_its_key_line_and_reason(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        load_profile(str(path))


@pytest.mark.faults
def test_an_unknown_profile_names_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match="did you mean 'platform'"):
        load_profile("plattform")


@pytest.mark.faults
def test_what_may_be_a_secret_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "name: x\nlogin: {user: O9_USER, password: hunter2-is-secret}\nbase_url: https://me:hunter2@acme.example.com\n"
    )
    with pytest.raises(SettingsError, match=r"line 2: login\.password: .*by its NAME") as told:
        load_profile(str(path))
    assert "line 3: base_url: must be an address" in str(told.value)
    assert "hunter2" not in str(told.value)


def test_the_environments_address_wins_over_the_profiles() -> None:
    profile = Profile(name="x", base_url="https://acme.example.com")
    assert address(profile, "") == "https://acme.example.com"
    assert address(profile, "https://test.example.com") == "https://test.example.com"
    assert address(profile, "http://127.0.0.1:8090/o9") == "http://127.0.0.1:8090/o9"
    with pytest.raises(Permanent, match="Nothing says where o9 is"):
        address(Profile(name="x"), "")
    with pytest.raises(Permanent, match="O9_BASE_URL must be an address") as told:
        address(Profile(name="x"), "https://acme.example.com/?key=hunter2")
    assert "hunter2" not in str(told.value)
