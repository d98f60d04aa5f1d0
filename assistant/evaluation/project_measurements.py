"""What is measured on a project's own files."""

from pathlib import Path

from assistant.build_choices import language_to_build_for
from assistant.evaluation.gaps import GapMeasurement, Order
from assistant.evaluation.measurement import Measurement
from assistant.evaluation.own_code import digest_of, held_out_documents, masked, own_documents
from assistant.evaluation.predicting import PredictionMeasurement, found_here_label
from assistant.evaluation.typing_measurement import TypingMeasurement
from assistant.grammars import Grammar
from assistant.languages import Language

_FILES = 12


def project_measurements(
    project: Path, language: str | None, seed: int, limit: int | None, threads: int
) -> list[Measurement]:
    """Lines typed, spans filled, and files predicted: those of the project that are held out of calibration.

    Files of this machine that are held out are predicted, too: they are the same for every project.

    Raises:
        UsageError: there is no project, or its language has no sub-models.
        EvaluationError: none of its files is held out.
    """
    chosen = language_to_build_for(project, language)
    most = limit or _FILES
    documents = own_documents(project, chosen, seed, most)
    grammar = Grammar(chosen.value)
    lines, spans = masked(documents, seed, lines=True), masked(documents, seed, lines=False)
    measurements: list[Measurement] = [PredictionMeasurement("project", tuple(documents), threads)]
    if (found := predictions_found_here(chosen, seed, limit, threads)) is not None:
        measurements.append(found)
    if lines:
        measurements.append(TypingMeasurement("project, lines", digest_of(lines), lines, grammar))
    if spans:
        measurements.append(GapMeasurement("project, spans", digest_of(spans), spans, Order.SERVER, grammar=grammar))
    return measurements


def predictions_found_here(
    language: Language, seed: int, limit: int | None, threads: int
) -> PredictionMeasurement | None:
    """Files of this machine in the language that no sub-model was calibrated on; None if there are none."""
    documents = held_out_documents(language, seed, limit or _FILES)
    return PredictionMeasurement(found_here_label(language), tuple(documents), threads) if documents else None
