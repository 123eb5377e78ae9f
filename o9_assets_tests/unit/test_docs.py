"""What README and docs say is there, is there: pages, commands, modules, files, and what examples import."""

import ast
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

from o9_assets.run.command import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}


def found(pattern: str) -> list[tuple[str, str]]:
    """Every match in every page, once, with the page's name."""
    return sorted({(page, match) for page, text in TEXT.items() for match in re.findall(pattern, text)})


@pytest.mark.parametrize(("page", "link"), found(r"\]\(([^)#\s]+)"))
def test_a_link_leads_somewhere(page: str, link: str) -> None:
    assert link.startswith("https://") or ((ROOT / page).parent / link).exists()


@pytest.mark.parametrize("page", [page for page in TEXT if page != "README.md"])
def test_the_readme_links_every_page(page: str) -> None:
    assert f"]({page})" in TEXT["README.md"]


@pytest.mark.parametrize(("page", "target"), found(r"(?m)(?:`|^)make ([a-z][a-z-]*)"))
def test_a_make_target_exists(page: str, target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("page", "command"), found(r"-m o9_assets ([a-z]+)"))
def test_a_command_exists(page: str, command: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0


@pytest.mark.parametrize(("page", "module"), found(r"-m (o9_assets\.[a-z0-9_.]+[a-z0-9_])"))
def test_a_module_that_is_called_exists(page: str, module: str) -> None:
    assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize(("page", "path"), found(r"`((?:o9_assets|benchmarks|deploy|docs|examples)/[\w./-]+\.\w+)`"))
def test_a_file_that_is_named_exists(page: str, path: str) -> None:
    assert (ROOT / path).exists() or path == "benchmarks/results.json"  # what `make bench` leaves


@pytest.mark.parametrize(("page", "block"), found(r"(?s)```python\n(.*?)```"))
def test_what_an_example_imports_exists(page: str, block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []
