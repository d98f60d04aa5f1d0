"""The calibration set: which text a model is pruned on, in which forms, as token ids."""

from assistant.calibration.collecting import CalibrationSet, CalibrationText, collect, no_calibration

__all__ = ["CalibrationSet", "CalibrationText", "collect", "no_calibration"]
