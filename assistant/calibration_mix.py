"""What a calibration set is mixed from, as shares."""

from dataclasses import dataclass, fields

from assistant.errors import UsageError


@dataclass(frozen=True, slots=True)
class CalibrationMix:
    """The shares of a calibration set; the language's corpus gives what the first three leave.

    Attributes:
        project_share: the most that the project's own files may give of the tokens, so that one small project does not
            decide alone.
        other_share: of code in other languages.
        chat_share: of conversations in the model's chat format, made from documented functions of the corpus; models
            without a chat template have code instead.
        fim_share: of the code, that is of all but conversations, written in the model's fill-in-the-middle format.
    """

    project_share: float = 0.5
    other_share: float = 0.0
    chat_share: float = 0.0
    fim_share: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            share = getattr(self, field.name)
            if not 0.0 <= share <= 1.0:
                words = field.name.replace("_", " ").replace("fim", "FIM")
                raise UsageError(f"A {words} of {share} is not between 0 and 1.")
        together = self.project_share + self.other_share + self.chat_share
        if together > 1.0 + 1e-9:
            raise UsageError(
                f"The project share of {self.project_share}, the other share of {self.other_share} and the chat share "
                f"of {self.chat_share} are {together:.3g} together; lower one, as they are parts of one set."
            )
