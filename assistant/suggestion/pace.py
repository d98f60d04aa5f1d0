"""How fast this machine evaluates a model's prompts, and what it can afford for that."""

from dataclasses import dataclass

from assistant.context.budget import context_budget
from assistant.engine.protocol import StopReason, Usage

# Of fewer tokens the speed tells little.
_MEASURED_TOKENS = 64
# By so much the speed may differ from the one that the short prompts' length was chosen for: another length begins at
# another line, so that nothing evaluated before is of use.
_NEAR_ENOUGH = 1.5
# So many tokens count half beside all those before.
_HALF = 1000


@dataclass(slots=True)
class Pace:
    """What has been measured with a model.

    Attributes:
        prefill_rate: prompt tokens a second the last time: of a laptop with two cores, until this machine's own are
            known. What it can do at this moment, among other work.
        usual_rate: the same over some thousand tokens: a busy minute is no reason to build all prompts anew.
        context_budget: tokens of other files' chunks in a prompt; 0 before the first.
        near_tokens: tokens of a short prompt, of the text next to the cursor; 0 before the first.
    """

    prefill_rate: float = 100.0
    usual_rate: float = 100.0
    context_budget: int = 0
    near_tokens: int = 0

    def measure(self, usage: Usage) -> None:
        """Takes note of how fast a prompt was evaluated, where it was enough to tell."""
        if usage.stop_reason is StopReason.CANCELLED:
            return  # how many tokens were evaluated in that time is not known
        evaluated = usage.prompt_tokens - usage.cached_tokens
        if evaluated >= _MEASURED_TOKENS and usage.prefill_rate:
            self.prefill_rate = usage.prefill_rate
            self.usual_rate += (usage.prefill_rate - self.usual_rate) * evaluated / (evaluated + _HALF)

    def near(self, seconds: float) -> int:
        """Tokens of a short prompt, which may take so many seconds; as many as for the last if that is about right."""
        in_time = int(self.prefill_rate * seconds)
        if not self.near_tokens / _NEAR_ENOUGH <= in_time <= self.near_tokens * _NEAR_ENOUGH:
            self.near_tokens = in_time
        return self.near_tokens

    def afford(self, context: int, around_cursor: int) -> int:
        """Tokens of other files' chunks in the next prompt; see `assistant.context.budget.context_budget`."""
        self.context_budget = context_budget(self.usual_rate, context, around_cursor, self.context_budget)
        return self.context_budget
