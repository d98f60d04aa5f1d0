"""The page of editors says what the program does."""

from pathlib import Path

from lsp.documentation import page

ROOT = Path(__file__).parents[2]


def test_the_page_is_made_of_the_set_ups_and_the_settings() -> None:
    kept = (ROOT / "docs" / "editors.md").read_text(encoding="utf-8")
    assert kept == page(), "run: python -m lsp.documentation > docs/editors.md"
