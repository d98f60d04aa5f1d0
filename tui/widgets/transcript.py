"""The conversation: however long it is, only what is near the view is on the screen."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

from textual.containers import VerticalScroll
from textual.geometry import Size
from textual.widget import Widget

from tui.history.types import State, StoredMessage
from tui.widgets.message import MessageView

# Messages mounted at first and when an end comes near, at most, and while one is written: every widget costs time
# whenever a line is added.
_STEP, _MOST, _WHILE_WRITTEN = 6, 24, 4
_NEAR_LINES = 6


class Transcript(VerticalScroll, can_focus=False):
    """The messages of a branch. It follows what is written; scrolled away, what is read stays in place.

    For that it knows what the view begins with, and moves along whenever a layout has put that elsewhere, as browsers
    do: things above come and go, and find their height late.
    """

    DEFAULT_CSS = """
    Transcript { height: 1fr; scrollbar-size-vertical: 1; }
    """

    def __init__(self) -> None:
        """Nothing yet."""
        super().__init__(id="transcript")
        self._messages: list[StoredMessage] = []
        self._begin = self._end = 0
        self._moving = False
        self._folded: list[Widget] = []
        self._seen: Widget | None = None
        self._seen_at = 0

    @property
    def mounted(self) -> list[MessageView]:
        """The messages that are widgets now."""
        return [each for each in self.children if isinstance(each, MessageView)]

    def view(self, number: int) -> MessageView | None:
        """The widget of a message, if it is near the view."""
        return next((each for each in self.mounted if each.shown.id == number), None)

    async def show(self, messages: Sequence[StoredMessage], at: int | None = None) -> None:
        """Shows a branch, from its end or with the message `at` in view."""
        self._moving = True
        try:
            self._messages = list(messages)
            place = next((place for place, each in enumerate(messages) if each.id == at), len(messages))
            self._end = min(len(messages), place + _STEP // 2)
            self._begin = max(0, self._end - _STEP)
            self._folded.clear()
            with self.app.batch_update():
                await self.remove_children()
                await self._mount([MessageView(each) for each in messages[self._begin : self._end]])
            self.anchor()
        finally:
            self._moving = False
        self.call_after_refresh(self._check_ends)
        if at is not None and (view := self.view(at)) is not None:
            self.call_after_refresh(self.scroll_to_widget, view, top=True, animate=False)

    async def add(self, message: StoredMessage) -> MessageView:
        """Shows a further message at the end, and goes there."""
        self._messages.append(message)
        if self._end != len(self._messages) - 1:
            await self.show(self._messages)
        else:
            self._end += 1
            await self._mount([MessageView(message, is_new=message.state is State.WRITING)])
            await self._trim_top(max(_WHILE_WRITTEN, self.size.height // 4))
        self.anchor()
        view = self.view(message.id)
        assert view is not None
        return view

    def renumber(self, numbers: Mapping[int, int], messages: Sequence[StoredMessage]) -> None:
        """Takes other numbers for the messages shown, which are kept elsewhere now; nothing is shown otherwise."""
        by_number = {each.id: each for each in messages}
        self._messages = list(messages)
        for view in self.mounted:
            view.shown = by_number[numbers[view.shown.id]]

    def replaced(self, message: StoredMessage) -> None:
        """Takes note of a message's new text, for when it comes near the view again."""
        for place in range(len(self._messages) - 1, -1, -1):
            if self._messages[place].id == message.id:
                self._messages[place] = message
                return

    def fold(self) -> None:
        """Lays out no more what is more than a screen above the view, while the end is followed that is written.

        Every widget that is laid out costs time with each line that comes, and keys wait for that.
        """
        if not self._writing() or not self._follows:
            return
        top = self.region.y - self.size.height
        folded = [each for each in self._foldable() if each.region.height and each.region.bottom < top]
        self._folded += folded
        for each in folded:
            each.display = False

    def unfold(self) -> None:
        """Lays out again all that is mounted, and leaves what is in view where it is."""
        folded, self._folded = self._folded, []
        if folded:
            self._hold()
        with self.app.batch_update():
            for each in folded:
                each.display = True
            self._lay_out()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Brings in messages as their place comes near the view."""
        super().watch_scroll_y(old_value, new_value)
        if old_value != new_value:
            if not self._follows:
                self._hold()
            self._check_ends()

    def _size_updated(self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True) -> bool:
        changed = super()._size_updated(size, virtual_size, container_size, layout)
        if changed:
            self._stay()
        return changed

    def _check_anchor(self) -> None:
        # While things find their place the end may be where the view is, for a moment.
        if not self._moving:
            super()._check_anchor()

    def _check_ends(self) -> None:
        if self._moving:
            return
        if self._folded and not self._follows and self.scroll_y < self._fold_end() + _NEAR_LINES:
            self._moving = True
            self.call_later(self._unfold)
        elif self.scroll_y < _NEAR_LINES and self._begin > 0:
            self._moving = True
            self.call_later(self._earlier)
        elif self.scroll_y > self.max_scroll_y - _NEAR_LINES and self._end < len(self._messages):
            self._moving = True
            self.call_later(self._later)

    def _fold_end(self) -> int:
        """Where what is laid out begins, below what is not: in between there may be empty lines."""
        return self._place(next(self._foldable(), None))

    def _unfold(self) -> None:
        self.unfold()
        self.call_after_refresh(self._moved)

    def _hold(self, without: Sequence[Widget] = ()) -> None:
        """Takes note of where the first thing in view is, leaving out what is about to go."""
        seen = (each for each in self._foldable() if not any(up in without for up in each.ancestors_with_self))
        self._seen = next((each for each in seen if self._place(each) + each.size.height > self.scroll_y), None)
        self._seen_at = self._place(self._seen)

    def _stay(self) -> None:
        """Moves the view along with the first thing in it, unless the end is followed."""
        if self._follows or self._seen is None or not self._seen.is_attached or not self._seen.display:
            return
        before, self._seen_at = self._seen_at, self._place(self._seen)
        if self._seen_at != before:
            self.scroll_to(y=self.scroll_y + self._seen_at - before, animate=False, force=True, immediate=True)

    def _lay_out(self) -> None:
        # The new places are needed before anything is painted, or what is read would jump and come back.
        self.screen._refresh_layout()

    def _place(self, seen: Widget | None) -> int:
        """Where something is in the conversation, whatever part of that is in view."""
        if seen is None:
            return 0
        inside = takewhile(lambda each: each is not self, seen.ancestors_with_self)  # it may be removed by now
        return sum(each.virtual_region.y for each in inside if isinstance(each, Widget))

    async def _earlier(self) -> None:
        begin = max(0, self._begin - _STEP)
        added = [MessageView(each) for each in self._messages[begin : self._begin]]
        self._begin = begin
        await self._changed_above(added, [])
        if (extra := len(self.mounted) - self._most) > 0 and not self._writing():
            self._end -= extra
            await self.remove_children(self.mounted[-extra:])
            self._anchored = False  # below the view there is more than is mounted
        self.call_after_refresh(self._moved)

    async def _later(self) -> None:
        end = min(len(self._messages), self._end + _STEP)
        await self._mount([MessageView(each) for each in self._messages[self._end : end]])
        self._end = end
        await self._trim_top(self._most)
        if end == len(self._messages):
            # `anchor` would go to the end at once; the user goes there, or not.
            self._anchored, self._anchor_released = True, True
        self.call_after_refresh(self._moved)

    def _moved(self) -> None:
        self._moving = False
        self._check_ends()

    @property
    def _most(self) -> int:
        """Messages mounted at most: more than a screen holds, as each has two lines or more."""
        return max(_MOST, self.size.height)

    async def _trim_top(self, most: int) -> None:
        if (extra := len(self.mounted) - most) > 0:
            self._begin += extra
            await self._changed_above([], self.mounted[:extra])

    async def _mount(self, views: Sequence[MessageView], before: int | None = None) -> None:
        await self.mount_all(views, before=before)
        for view in views:
            await view.load()

    async def _changed_above(self, added: Sequence[MessageView], removed: Sequence[MessageView]) -> None:
        """Mounts and removes above the view, and leaves what is in view where it is."""
        self._hold(removed)
        with self.app.batch_update():
            if removed:
                await self.remove_children(removed)
            if added:
                await self._mount(added, before=0)
            self._lay_out()

    @property
    def _follows(self) -> bool:
        """Whether the view stays at the end as more comes."""
        return self.is_anchored and not self._anchor_released

    def _foldable(self) -> Iterator[Widget]:
        """What is laid out: messages, and the parts of the one that is written."""
        *whole, last = self.mounted
        yield from (each for each in whole if each.display and not each.has_focus)
        yield from (each for each in last.parts if each.display)

    def _writing(self) -> bool:
        return bool(self.mounted) and self.mounted[-1].is_writing
