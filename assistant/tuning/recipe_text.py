"""A recipe as the TOML file that `sned build --recipe FILE` takes."""

import json

from assistant.recipe import Recipe


def recipe_text(recipe: Recipe, remarks: str) -> str:
    """All fields, under a remark of a line or several."""
    head = "".join(f"# {line}\n" for line in remarks.splitlines())
    return head + "".join(f"{name} = {json.dumps(value)}\n" for name, value in recipe.as_dict().items())
