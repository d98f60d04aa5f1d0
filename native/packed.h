// A pruned matrix in memory, and the product with it. Plain C, usable without ggml.
//
// A packed matrix is one stretch of memory: `sned_packed`, a table of rows + 1 uint64 offsets (from the beginning of the
// stretch), then the rows, each a multiple of 8 bytes, then 64 bytes of zeros, so that kernels may load whole vectors at its end.
//
// A row is a half-precision scale for each block of 32 weights, a mask, and the values whose bit is 1, each plus 128. Mask and
// values are not in the order of the columns: of up to 16 blocks side by side, each step has four weights of each, so that a
// vector register of 32-bit sums has the sum of one block in each lane, and scales are applied once for 512 weights. A step's
// mask is 4 bits a block, rounded up to whole bytes: 8 bytes but for the row's last blocks.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SNED_PACKED_MAGIC UINT64_C(0x31306b7064656e73)
#define SNED_SLACK 64

typedef struct {
    uint64_t magic;
    int64_t rows;
    int64_t columns;
} sned_packed;

typedef enum { SNED_PORTABLE = 0, SNED_AVX2 = 1, SNED_AVX512 = 2 } sned_kernel;

// The fastest kernel that this processor runs; whether it runs a certain one; a kernel's name.
int sned_best_kernel(void);
int sned_has_kernel(int kernel);
const char * sned_kernel_name(int kernel);

// Bytes that a matrix takes at most, whatever its zeros.
size_t sned_pack_bound(int64_t rows, int64_t columns);

// Packs rows of ggml's Q8_0 (columns are a multiple of 32). Returns the bytes it took.
size_t sned_pack_q8_0(const void * dense, int64_t rows, int64_t columns, void * out);

// Packs a matrix of a sparse GGUF with 8-bit values. `group` and `kept_of` are its pattern's M and N, 0 where it is
// unstructured; `block` weights share a scale; `kept` is the values of a row, or -1 where a table comes first. Returns the bytes it took, or 0 if what
// it is given contradicts itself: it reads nothing beyond `size`, and writes nothing beyond the bound.
size_t sned_pack_file(const void * file, size_t size, int64_t rows, int64_t columns, int64_t block, int64_t group,
                      int64_t kept_of, int64_t kept, void * out);

// The dense rows again, bit for bit: as Q8_0, and as numbers.
void sned_unpack_q8_0(const sned_packed * matrix, void * out);
void sned_unpack_f32(const sned_packed * matrix, float * out);

// Bytes of one column's quantised activations, and the quantising: 32 share a scale, as in ggml's Q8_0.
size_t sned_column_bytes(int64_t columns);
void sned_quantise(int64_t columns, const float * x, void * column);

// Bytes of scratch memory that a product takes, for each thread.
size_t sned_scratch_bytes(int64_t columns);

// y[j * stride + i] = sum over k of matrix[i][k] * x[j][k], for rows first <= i < last and count quantised columns that
// lie sned_column_bytes apart. `columns` and `scratch` are multiples of 64 in memory.
void sned_multiply(int kernel, const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last,
                   float * y, int64_t stride, void * scratch);

#ifdef __cplusplus
}
#endif
