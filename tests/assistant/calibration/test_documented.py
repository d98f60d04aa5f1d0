"""Functions and what their documentation says."""

import pytest

from assistant.calibration.documented import documented_functions
from assistant.grammars import Grammar

PYTHON = '''class Cache:
    def get(self, key):
        """Look the key up, and remember that it was asked for.

        Args:
            key: any.
        """
        self.asked.add(key)
        return self.values.get(key)

    def bare(self):
        return 1

    def short(self):
        """Short."""
        a = 1
        return a
'''
JAVA = """class Cache {
    /**
     * Looks the {@code key} up, and <b>remembers</b> that it was asked for.
     *
     * @param key any
     */
    Object get(Object key) {
        asked.add(key);
        return values.get(key);
    }

    /** Of something else, quite far above the function. */

    int bare() {
        return 1;
    }
}
"""
CPP = """/**
 * Looks the key up, and remembers that it was asked for.
 * @return its value
 */
template <typename K>
int get(const K& key) {
    asked.insert(key);
    return values[key];
}
"""
JAVASCRIPT = """/**
 * Looks the key up, and remembers that it was asked for.
 */
export function get(key) {
  asked.add(key);
  return values[key];
}
"""


def test_a_docstring_is_taken_out_of_the_code() -> None:
    (found,) = documented_functions(PYTHON, Grammar.PYTHON)
    assert found.signature == "def get(self, key):"
    assert found.description == "Look the key up, and remember that it was asked for."
    assert found.code == "def get(self, key):\n    self.asked.add(key)\n    return self.values.get(key)"


@pytest.mark.parametrize(
    ("code", "grammar", "signature"),
    [
        (JAVA, Grammar.JAVA, "Object get(Object key)"),
        (CPP, Grammar.CPP, "template <typename K>\nint get(const K& key)"),
        (JAVASCRIPT, Grammar.JAVASCRIPT, "export function get(key)"),
    ],
)
def test_a_comment_above_says_what_a_function_does(code: str, grammar: Grammar, signature: str) -> None:
    (found,) = documented_functions(code, grammar)
    assert found.signature == signature
    assert found.description.lower() == "looks the key up, and remembers that it was asked for."
    assert found.code.startswith(signature)
    assert found.code.endswith("}")
    assert "*" not in found.code
