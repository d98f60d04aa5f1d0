"""The languages that have sub-models of their own."""

from enum import StrEnum

from assistant.errors import UsageError


class Language(StrEnum):
    """A language sub-models are pruned for; C counts as C++, TypeScript as JavaScript."""

    PYTHON = "python"
    JAVA = "java"
    CPP = "cpp"
    JAVASCRIPT = "javascript"

    @property
    def label(self) -> str:
        """The language's name as its users write it."""
        return _LABELS[self]

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings of the language's sources, lower case, with the dot."""
        return _SUFFIXES[self]


_LABELS = {
    Language.PYTHON: "Python",
    Language.JAVA: "Java",
    Language.CPP: "C++",
    Language.JAVASCRIPT: "JavaScript",
}

_SUFFIXES = {
    Language.PYTHON: (".py", ".pyi"),
    Language.JAVA: (".java",),
    Language.CPP: (".cpp", ".cc", ".cxx", ".c++", ".c", ".hpp", ".hh", ".hxx", ".h", ".ipp", ".inl", ".tpp"),
    Language.JAVASCRIPT: (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"),
}

_ALIASES = {
    "py": Language.PYTHON,
    "c": Language.CPP,
    "c++": Language.CPP,
    "js": Language.JAVASCRIPT,
    "ts": Language.JAVASCRIPT,
    "typescript": Language.JAVASCRIPT,
}


def parse_language(name: str) -> Language:
    """The language called `name`, by its own name or a common alias, in any case.

    Raises:
        UsageError: no sub-model language has that name.
    """
    lowered = name.lower()
    if lowered in _ALIASES:
        return _ALIASES[lowered]
    try:
        return Language(lowered)
    except ValueError:
        known = ", ".join(language.value for language in Language)
        raise UsageError(f"No sub-models are made for the language {name!r}; choose one of {known}.") from None
