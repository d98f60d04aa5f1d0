"""Whatever is added, shown, written and deleted, in whatever order by whichever program: the tree is what was said."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from assistant.chat.types import Role
from tui.history.store import History
from tui.history.types import State

PROJECT = Path("/project")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


class Tree(RuleBasedStateMachine):
    """Two programs on one file, against a tree of dictionaries."""

    sessions: Bundle[int] = Bundle("sessions")

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "history.sqlite3"
        self.programs = [History(self.path), History(self.path)]
        self.parents: dict[int, dict[int, int | None]] = {}
        self.texts: dict[int, str] = {}
        self.leaves: dict[int, int | None] = {}

    def teardown(self) -> None:
        for each in self.programs:
            each.close()
        self.folder.cleanup()

    @rule(target=sessions, program=st.integers(0, 1))
    def create(self, program: int) -> int:
        number = self.programs[program].create(PROJECT)
        self.parents[number], self.leaves[number] = {}, None
        return number

    @rule(session=sessions, program=st.integers(0, 1), text=TEXTS, data=st.data())
    def add(self, session: int, program: int, text: str, data: st.DataObject) -> None:
        parent = data.draw(st.sampled_from([None, *self.parents[session]]))
        role = data.draw(st.sampled_from([Role.USER, Role.ASSISTANT]))
        number = self.programs[program].messages.add(session, parent, role, text)
        assert number not in self.texts
        self.parents[session][number], self.texts[number], self.leaves[session] = parent, text, number

    @rule(session=sessions, program=st.integers(0, 1), text=TEXTS, data=st.data())
    def write(self, session: int, program: int, text: str, data: st.DataObject) -> None:
        if self.parents[session]:
            number = data.draw(st.sampled_from(sorted(self.parents[session])))
            self.programs[program].messages.write(number, text, State.WHOLE)
            self.texts[number] = text

    @rule(session=sessions, program=st.integers(0, 1), data=st.data())
    def show(self, session: int, program: int, data: st.DataObject) -> None:
        if self.parents[session]:
            number = data.draw(st.sampled_from(sorted(self.parents[session])))
            self.programs[program].messages.show(number)
            while children := [child for child, parent in self.parents[session].items() if parent == number]:
                number = max(children)
            self.leaves[session] = number

    @rule(session=sessions, program=st.integers(0, 1), data=st.data())
    def show_until(self, session: int, program: int, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([None, *self.parents[session]]))
        self.programs[program].messages.show_until(session, number)
        self.leaves[session] = number

    @rule(session=consumes(sessions), program=st.integers(0, 1))
    def delete(self, session: int, program: int) -> None:
        self.programs[program].delete(session)
        del self.parents[session], self.leaves[session]

    @rule(program=st.integers(0, 1))
    def open_again(self, program: int) -> None:
        self.programs[program].close()
        self.programs[program] = History(self.path)

    @invariant()
    def all_is_there(self) -> None:
        if not hasattr(self, "programs"):
            return
        for program in self.programs:
            assert {each.id for each in program.sessions()} == set(self.parents)
            for session, parents in self.parents.items():
                branch, number = [], self.leaves[session]
                while number is not None:
                    branch.append(number)
                    number = parents[number]
                found = program.messages.branch(session)
                assert [each.id for each in found] == branch[::-1]
                for each in found:
                    assert each.text == self.texts[each.id]
                    siblings = [child for child, parent in parents.items() if parent == each.parent]
                    assert each.branches == tuple(sorted(siblings))


TestTree = Tree.TestCase
TestTree.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
