"""Vector instructions: those llama.cpp was built with, and those this processor has."""

import platform
import re
import subprocess
from pathlib import Path

# llama.cpp's name of each instruction set that matters for speed, and the names operating systems give it.
_INSTRUCTIONS = {
    "AVX2": {"avx2"},
    "AVX512": {"avx512f"},
    "AVX_VNNI": {"avx_vnni"},
    "AVX512_VNNI": {"avx512_vnni"},
    "FMA": {"fma"},
    "F16C": {"f16c"},
    "NEON": {"asimd", "neon"},
    "DOTPROD": {"asimddp", "dotprod"},
    "MATMUL_INT8": {"i8mm"},
}


def built_with() -> set[str]:
    """Instruction sets that the installed llama.cpp was built with, by llama.cpp's names."""
    from assistant.engine.native import capture_log, llama_cpp

    capture_log()
    return parse_system_info(llama_cpp.llama_print_system_info().decode("utf-8", errors="replace"))


def parse_system_info(text: str) -> set[str]:
    """The instruction sets that are on in llama.cpp's system information, such as `AVX2 = 1 | FMA = 1`."""
    enabled = {name for name, value in re.findall(r"(\w+) = (\d+)", text) if value != "0"}
    return enabled & _INSTRUCTIONS.keys()


def machine_has() -> set[str]:
    """Instruction sets of this processor, by llama.cpp's names; none where the system does not tell."""
    flags = set(_processor_flags().lower().replace(".", "_").split())
    return {name for name, spellings in _INSTRUCTIONS.items() if spellings & flags}


def _processor_flags() -> str:
    if platform.system() == "Linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, flags = line.partition(":")
            if key.strip() in ("flags", "Features"):
                return flags
    if platform.system() == "Darwin" and platform.machine() == "x86_64":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.features", "machdep.cpu.leaf7_features"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return ""
