"""Markdown of a model: highlighted, and never run. Control sequences are shown, links open nothing, HTML is text."""

from functools import cache

from markdown_it import MarkdownIt
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Markdown
from textual.widgets.markdown import MarkdownBlock

from tui.widgets.growing import GrowingBulletList, GrowingFence, GrowingOrderedList, GrowingParagraph

# Highlighting starts over with every piece that is added to a block.
_HIGHLIGHTED_WHILE_WRITTEN = 2_000
_HIGHLIGHTED = 60_000


class CodeBlock(GrowingFence):
    """A block of code, whose border names its number and its language."""

    DEFAULT_CSS = """
    CodeBlock {
        border: round $foreground 25%;
        border-title-color: $text-muted;
        padding: 0;
        margin: 0 0 1 0;
        background: $surface;
        color: $foreground;
        & > Label { padding: 0 1; }
    }
    """
    limit = _HIGHLIGHTED

    def number(self, number: int) -> None:
        """Shows the number by which commands name it."""
        language = self.lexer.split()[0] if self.lexer.split() else "code"
        self.border_title = Content(f"{number} {language}")

    @classmethod
    def highlight(cls, code: str, language: str, ansi: bool = False, dark: bool = False) -> Content:
        """The code in colours; without them where it is long, or of no language that is known."""
        words = language.replace(",", " ").replace(":", " ").split()
        if len(code) > cls.limit or not words:
            return Content(code)
        return super().highlight(code, words[0].strip("{}."), ansi, dark)


class UnfinishedBlock(CodeBlock):
    """A block of code that is being written."""

    limit = _HIGHLIGHTED_WHILE_WRITTEN


_GROWING: dict[str, type[MarkdownBlock]] = {
    "paragraph_open": GrowingParagraph,
    "bullet_list_open": GrowingBulletList,
    "ordered_list_open": GrowingOrderedList,
}


class AnswerText(Markdown):
    """What a model writes, while it does and after."""

    DEFAULT_CSS = """
    AnswerText { padding: 0; margin: 0; height: auto; }
    """

    def __init__(self) -> None:
        """Nothing yet."""
        super().__init__(parser_factory=_parser, open_links=False)
        self.writing = False

    def get_block_class(self, block_name: str) -> type[MarkdownBlock]:
        """The widget of a block of Markdown."""
        if block_name in {"fence", "code_block"}:
            return UnfinishedBlock if self.writing else CodeBlock
        return _GROWING.get(block_name) or super().get_block_class(block_name)

    @property
    def parts(self) -> list[Widget]:
        """What the text is made of, from its beginning: blocks, and the items of lists."""
        return [
            part
            for each in self.children
            for part in (each.children if isinstance(each, GrowingBulletList | GrowingOrderedList) else [each])
        ]

    def number_blocks(self) -> None:
        """Shows the numbers of the code blocks."""
        for number, block in enumerate(self.query(CodeBlock), 1):
            block.number(number)


@cache
def _parser() -> MarkdownIt:
    # Addresses are not made links of: nothing here opens one.
    return MarkdownIt("gfm-like", {"html": False, "linkify": False})
