"""Blocks of Markdown that grow where they stand: with each piece of an answer, no more is laid out than it changes."""

from collections.abc import Sequence

from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Label
from textual.widgets._markdown import (  # the public module names few of them
    MarkdownBullet,
    MarkdownBulletList,
    MarkdownList,
    MarkdownListItem,
    MarkdownOrderedList,
    MarkdownParagraph,
)
from textual.widgets.markdown import MarkdownBlock, MarkdownFence


class GrowingParagraph(MarkdownParagraph):
    """A paragraph; while it has as many lines as before, nothing around it is laid out."""

    def set_content(self, content: Content) -> None:
        """Shows what it says by now."""
        self._content = content
        width, height = self.size
        self.update(content, layout=not width or content.get_height(self.styles.get_rules(), width) != height)


class GrowingFence(MarkdownFence):
    """A block of code; while no line is added and none becomes wider than all, nothing around it is laid out."""

    def set_content(self, content: Content) -> None:
        """Shows what it says by now."""
        self._content = content
        for label in self.query_children("#code-content").results(Label):
            lines = content.split("\n", allow_blank=True)
            width, height = label.size
            same = len(lines) == height and max(line.cell_length for line in lines) <= width
            label.update(content, layout=not same)


class GrowingBulletList(MarkdownBulletList):
    """A list with bullets, which grows; Textual makes the whole list anew with each piece."""

    async def _update_from_block(self, block: MarkdownBlock) -> None:
        if not await _grow_list(self, block):
            await super()._update_from_block(block)


class GrowingOrderedList(MarkdownOrderedList):
    """A list with numbers, which grows."""

    async def _update_from_block(self, block: MarkdownBlock) -> None:
        if not await _grow_list(self, block):
            await super()._update_from_block(block)


async def _grow_list(there: MarkdownList, block: MarkdownBlock) -> bool:
    """Has the last item grow, and others come after it, so that it is the list `block`; whether that can be."""
    rows = list(there.children)
    items = [each for each in block._blocks if isinstance(each, MarkdownListItem)]
    if not isinstance(block, type(there)) or not rows or len(items) < len(rows):
        return False
    said = items[len(rows) - 1]._blocks
    composed = list(block.compose())
    for row, wanted in zip(rows, composed, strict=False):
        _number_as(row, wanted)
    added = composed[len(rows) :]
    for last in rows[-1].query_children(Vertical):
        await _grow_item(last, said)
    if added:
        await there.mount_all(added)
    there._copy_context(block)
    return True


def _number_as(row: Widget, wanted: Widget) -> None:
    """Gives an item its number anew: all move to the right for the tenth."""
    for bullet in row.query_children(MarkdownBullet):
        for other in wanted._pending_children:
            if isinstance(other, MarkdownBullet) and other.symbol != bullet.symbol:
                bullet.symbol = other.symbol
                bullet.refresh(layout=True)


_GROWING = (GrowingParagraph, GrowingFence, GrowingBulletList, GrowingOrderedList)


async def _grow_item(item: Vertical, blocks: Sequence[MarkdownBlock]) -> None:
    """Makes the blocks of an item those it has by now: all but the last stand."""
    there = [each for each in item.children if isinstance(each, MarkdownBlock)]
    added = list(blocks[len(there) :])
    if there and len(blocks) >= len(there):
        last, said = there[-1], blocks[len(there) - 1]
        if isinstance(said, type(last)) and isinstance(last, _GROWING):
            await last._update_from_block(said)
        else:
            await last.remove()
            added.insert(0, said)
    if added:
        await item.mount_all(added)
