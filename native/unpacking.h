// A matrix of a sparse GGUF as a plain GGUF has it. Plain C; of use without ggml, so a library of its own.
#pragma once

#include "packed.h"

#ifdef __cplusplus
extern "C" {
#endif

// Counts how often what this library is called with has changed; sned compares it with its own.
#define SNED_UNPACKING_INTERFACE 1
int sned_unpacking_interface(void);

// Writes bytes first <= i < last of the matrix as Q8_0, or as Q4_0 if `bits` is 4, to `out`; for several threads at once.
// Returns 0 if what it is given contradicts itself, and is of no use then: it reads nothing beyond `size`, and writes nothing
// beyond `last - first`.
int sned_unpack_file(const sned_file_form * form, const void * file, size_t size, int64_t bits, int64_t first, int64_t last,
                     void * out);

#ifdef __cplusplus
}
#endif
