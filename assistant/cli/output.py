"""How commands speak: JSON on standard output, progress on standard error."""

import json
import sys
from typing import Any


def print_json(answer: Any) -> None:
    """Writes `answer` as one JSON document to standard output."""
    json.dump(answer, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
