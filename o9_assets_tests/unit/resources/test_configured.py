"""Resources as Dagster configures them: what does not fit together is told before anything is opened."""

from pathlib import Path

import pytest

from o9_assets.failures import Permanent
from o9_assets.planning.settings import parse
from o9_assets.resources.configured import O9Resource
from o9_assets_tests.company import SETTINGS


@pytest.mark.faults
def test_an_address_is_no_state_file_of_the_in_process_o9(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Permanent, match=r"keeps its state in a file; .* Set kind to http"):
        O9Resource(location="http://127.0.0.1:9").open(parse(SETTINGS))
    assert list(tmp_path.iterdir()) == []
