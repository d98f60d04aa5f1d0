"""Settings as they come from an editor: the usable ones hold, the others are named."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lsp.settings import EditorSettings, merged

FIELDS = [field.alias for field in EditorSettings.model_fields.values()]


@given(
    st.dictionaries(
        st.sampled_from(FIELDS) | st.text(max_size=5),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.text(), max_size=2),
    )
)
def test_whatever_is_sent_settings_come_out_and_each_bad_field_is_named_once(sent: dict[str, Any]) -> None:
    settings, problems = merged(EditorSettings(), sent)
    kept = settings.model_dump(by_alias=True)
    assert set(kept) == set(FIELDS)
    assert len(problems) <= len(sent)
    assert len(set(problems)) == len(problems)
    for name in sent.keys() - set(FIELDS):
        assert any(f"sned.{name};" in problem for problem in problems)
