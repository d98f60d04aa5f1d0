"""Text of models and files as a terminal may be given it."""

_KEPT = frozenset("\n\t")
# Format characters that text needs: joiners of emoji and of scripts. Those that turn the direction of text can make it
# look like other text, so they are shown as what they are.
_JOINERS = frozenset("\u200b\u200c\u200d\ufe0e\ufe0f\u00ad") | frozenset(map(chr, range(0xE0020, 0xE0080)))


def visible(text: str) -> str:
    """The text with control characters, which would steer a terminal, in the form of pictures such as `␛`."""
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return "".join(each if each in _KEPT or each.isprintable() else _shown(each) for each in text)


def visible_line(text: str) -> str:
    """The same on one line."""
    return visible(text).replace("\n", "␊").replace("\t", " ")


def _shown(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if character in _JOINERS or character.isspace():
        return character if character not in "\u2028\u2029\x85" else "␤"
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return f"<U+{code:04X}>"
