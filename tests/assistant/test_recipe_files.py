"""Recipes by name and from files: what the fields become, and everything that is refused before a weight is read."""

import dataclasses
from pathlib import Path

import pytest

from assistant.errors import UsageError
from assistant.recipe import Recipe
from assistant.recipe_files import recipe_called, shipped_recipes
from assistant.submodel_file import prune_options
from export.sparse.layout import Pattern, SparseFormat, ValueType


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_every_shipped_recipe_is_a_recipe() -> None:
    assert shipped_recipes() == ["balanced", "best", "fast", "trimmed"]
    assert recipe_called("best", {}) != recipe_called("balanced", {})
    does = {name: (recipe.solves, recipe.trains) for name in shipped_recipes() for recipe in (recipe_called(name, {}),)}
    assert does == {"balanced": (False, True), "best": (True, True), "fast": (False, False), "trimmed": (False, False)}


@pytest.mark.parametrize("name", ["fast", "balanced", "best"])
def test_what_a_recipe_says_of_the_survivors_is_done(name: str) -> None:
    recipe = recipe_called(name, {})
    options = prune_options(recipe)
    assert options.least_squares == recipe.solves
    assert (options.distillation.tokens if options.distillation else 0) == recipe.training_tokens


def test_the_defaults_are_those_of_balanced() -> None:
    assert recipe_called("balanced", {}) == Recipe()


def test_a_file_gives_its_fields_and_leaves_the_others(tmp_path: Path) -> None:
    name = written(tmp_path, 'score = "ria"\npattern = "4:8"\ntokens = 4096\nproject_share = 0.3\n')
    assert recipe_called(name, {}) == Recipe(score="ria", pattern="4:8", sparsity=0.5, tokens=4096, project_share=0.3)


def test_changes_go_before_the_file_and_none_changes_nothing(tmp_path: Path) -> None:
    name = written(tmp_path, "tokens = 4096\nseed = 3\n")
    changed = recipe_called(name, {"tokens": 8192, "seed": None})
    assert (changed.tokens, changed.seed) == (8192, 3)


def test_a_pattern_brings_its_sparsity(tmp_path: Path) -> None:
    assert recipe_called("balanced", {"pattern": "1:4"}).sparsity == 0.75
    assert recipe_called(written(tmp_path, 'pattern = "1:4"'), {}).sparsity == 0.75
    name = written(tmp_path, "sparsity = 0.3")
    assert recipe_called(name, {"pattern": "2:4"}).sparsity == 0.5


def test_other_kinds_of_text_take_no_more_than_the_project_leaves(tmp_path: Path) -> None:
    shares = [
        (recipe.project_share, recipe.chat_share, recipe.other_share)
        for recipe in (
            recipe_called("balanced", {"project_share": 1.0}),
            recipe_called("balanced", {"project_share": 0.0}),
            recipe_called(written(tmp_path, "project_share = 1"), {}),
            recipe_called("fast", {"project_share": 1.0}),
        )
    ]
    usual = Recipe()
    assert shares == [(1.0, 0.0, 0.0), (0.0, usual.chat_share, usual.other_share), (1.0, 0.0, 0.0), (1.0, 0.0, 0.0)]
    with pytest.raises(UsageError, match=r"other share of 0\.1"):
        recipe_called("balanced", {"project_share": 1.0, "other_share": 0.1})


def test_values_bring_blocks_that_suit_them(tmp_path: Path) -> None:
    assert [recipe_called("balanced", {"values": kind}).block for kind in ("q8_0", "int8", "int4")] == [32, 128, 32]
    name = written(tmp_path, 'values = "int4"\nblock = 256')
    assert recipe_called(name, {}).block == 256
    assert recipe_called(name, {"block": 64}).block == 64
    assert recipe_called(name, {"values": "int8"}).block == 128


def test_a_recipe_that_says_nothing_of_it_packs_what_survives() -> None:
    for name in set(shipped_recipes()) - {"trimmed"}:
        for pattern in ("unstructured", "4:8", "04:8"):
            recipe = recipe_called(name, {"pattern": pattern})
            stored = Pattern() if pattern == "unstructured" else Pattern(4, 8)
            assert recipe.packed_form == SparseFormat(stored, ValueType.INT8, 128)
    assert recipe_called("fast", {"values": "q8_0"}).packed_form is None


def test_what_prunes_nothing_is_one_recipe_however_it_is_asked_for() -> None:
    trimmed = recipe_called("trimmed", {})
    assert (trimmed.prunes, trimmed.tokens, trimmed.values, trimmed.packed_form) == (False, 0, "base", None)
    shares = {"project_share": 0.25, "other_share": 0.1, "chat_share": 0.15}
    for name in ("balanced", "best"):
        assert recipe_called(name, {"sparsity": 0.0, **shares}) == trimmed
    assert recipe_called("trimmed", {"sparsity": 0.3}) == dataclasses.replace(Recipe(), sparsity=0.3)
    whole = recipe_called("balanced", {"sparsity": 0.0, "vocabulary": "whole", "embeddings": "q5_0"})
    assert whole == dataclasses.replace(trimmed, vocabulary="whole", embeddings="q5_0")
    with pytest.raises(UsageError, match=r"leaves a sparsity of 0\.5"):
        recipe_called("trimmed", {"pattern": "4:8", "sparsity": 0.0})


@pytest.mark.parametrize("reconstruction", ["none", "least-squares"])
def test_only_distillation_trains(reconstruction: str) -> None:
    assert recipe_called("best", {"reconstruction": reconstruction}).training_tokens == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sparsty = 0.5", "'sparsty'"),
        ("[mix]\nfim = 0.5", "mix"),
        ('tokens = "many"', "'many' for tokens"),
        ("tokens = 4096.5", "4096.5 for tokens"),
        ("seed = true", "True for seed"),
        ('score = "obs"', "'obs' for score"),
        ("pattern = 4", "4 for pattern"),
        ('pattern = "5:4"', "'5:4'"),
        ('pattern = "4:8"\nsparsity = 0.3', "leaves a sparsity of 0.5"),
        ('pattern = "1:4"\nsparsity = 0.5', "leaves a sparsity of 0.75"),
        ('reconstruction = "none"\ntraining_tokens = 4096', "no use where nothing is trained"),
        ('reconstruction = "distillation"\ntraining_tokens = 8', "less than one sequence"),
        ('reconstruction = "least-squares+distillation"\ntraining_tokens = 8', "less than one sequence"),
        ('values = "q4_k"', "cannot be stored as q4_k: it stores scale x code + minimum"),
        ('values = "iq4_nl"', "a table that does not contain 0"),
        ('values = "int3"', "'int3' for values"),
        ('values = "int4"\nblock = 48', "Blocks of 48 weights"),
        ('values = "q8_0"\nblock = 64', "q8_0 has no blocks of 64 weights"),
        ('sparsity = 0\nvocabulary = "whole"', "choose --vocabulary trimmed"),
        ("sparsity = 1", "1.0 is not between 0 and 1"),
        ('sparsity = 0\nvocabulary = "trimmed"\ntokens = 4096', "4096 calibration tokens would be of no use"),
        ('sparsity = 0\nvocabulary = "trimmed"\nvalues = "int8"', "does not go with weights stored as int8"),
        ('sparsity = 0\nvocabulary = "trimmed"\nallocation = "owl"', "the allocation owl would be of no use"),
        ('sparsity = 0\nvocabulary = "trimmed"\nreconstruction = "least-squares"', "least-squares would be of no use"),
        ('sparsity = 0\nvocabulary = "trimmed"\npattern = "4:8"', "leaves a sparsity of 0.5"),
        ('values = "base"', "does not go with weights stored as base"),
        ('embeddings = "q2_k"', "'q2_k' for embeddings"),
        ("sparsity = nan", "nan"),
        ("sparsity = ", "does not parse"),
    ],
)
def test_what_is_no_recipe_is_refused_with_what_is_wrong(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipe_called(written(tmp_path, text), {})
    assert complaint in str(caught.value)


def test_a_flag_that_contradicts_the_recipe_is_refused(tmp_path: Path) -> None:
    name = written(tmp_path, 'pattern = "4:8"')
    with pytest.raises(UsageError, match="leave the sparsity out"):
        recipe_called(name, {"sparsity": 0.3})


@pytest.mark.parametrize("name", ["fastest", "", "nowhere/recipe.toml", "."])
def test_no_such_recipe_names_those_there_are(name: str) -> None:
    with pytest.raises(UsageError, match="balanced, best, fast"):
        recipe_called(name, {})


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        recipe_called(str(path), {})


def test_every_field_is_an_option() -> None:
    import typer.main

    from assistant.cli.app import app

    command = typer.main.get_command(app).commands["build"]  # type: ignore[attr-defined]
    options = {parameter.name for parameter in command.params}
    fields = {field.name for field in dataclasses.fields(Recipe)}
    assert fields <= options
