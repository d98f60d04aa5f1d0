"""Dense models by llama.cpp's quantiser from a GGUF file that is quantised already: rivals of equal bytes."""

import ctypes
import os
from pathlib import Path

from assistant.engine.native import capture_log, llama_cpp
from assistant.errors import EngineError, UsageError

# llama.h: llama_ftype.
FILE_TYPES = {"Q4_0": 2, "Q8_0": 7, "Q3_K_S": 11, "Q4_K_M": 15, "Q5_K_M": 17}


def requantise(source: Path, file_type: str, out: Path) -> None:
    """Writes `source` anew with weights of another type; it is rounded a second time, and so no better than `source`.

    Rows that are no multiple of 256 weights, such as those of a model 896 wide, get a larger type of llama.cpp's
    choice in the place of a K-quant.

    Raises:
        UsageError: the type is none of `FILE_TYPES`.
        EngineError: llama.cpp cannot.
        OSError: the file cannot be written.
    """
    if file_type not in FILE_TYPES:
        raise UsageError(f"{file_type} is none of {', '.join(FILE_TYPES)}; choose one of these.")
    capture_log()
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.allow_requantize = FILE_TYPES[file_type], True
    unfinished = out.with_name(f"{out.name}.part")
    try:
        status = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(unfinished), ctypes.byref(parameters))
        if status != 0:
            raise EngineError(f"llama.cpp cannot write {source} as {file_type}; choose another model or type.")
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
