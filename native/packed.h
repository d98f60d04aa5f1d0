// A pruned matrix in memory, and the product with it. Plain C, usable without ggml.
//
// A packed matrix is one stretch of memory: `sned_packed`, a table of panels + 1 uint64 offsets (from the beginning of the
// stretch), then the panels, then 64 bytes, so that kernels may load whole vectors at its end.
//
// A panel is 16 rows side by side; rows that are not there have no weights. It goes from block to block of 32 columns:
// a half-precision scale for each row, then the masks of eight steps, then the values whose bit is 1. A step has four
// weights of each row, so that a vector register of 32-bit sums has a row in each lane. Its mask is 64 bits, the first row's
// four weights lowest. 8-bit values are stored plus 128, 4-bit values plus 8. 4-bit blocks come in pairs: the scales of
// both, the masks of both, then bytes with the first block's values in their low halves and the second's in their high ones.
// Where blocks share scales, some kernels want those once.
// For some kernels, matrices that keep at most four of eight neighbours have layouts of their own (groups.h, slots.h).
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SNED_PACKED_MAGIC UINT64_C(0x32306b7064656e73)
#define SNED_SLACK 64
#define SNED_PANEL 16

typedef struct {
    uint64_t magic;
    int64_t rows;
    int64_t columns;
    int64_t bits;    // of a value: 8 or 4
    int64_t layout;  // a sned_layout
    int64_t shared;  // blocks side by side that have one scale, stored with the first of them
} sned_packed;

// All weights are there, and no masks; as above; an N:M pattern's own, for AVX2; and for AVX-512 (slots.h).
typedef enum { SNED_WHOLE = 0, SNED_MASKS = 1, SNED_GROUPS = 2, SNED_SLOTS = 3 } sned_layout;

// SNED_VNNI is AVX2 with vpdpbusd, in the coding of AVX-VNNI or in that of AVX-512.
typedef enum { SNED_PORTABLE = 0, SNED_AVX2 = 1, SNED_AVX512 = 2, SNED_NEON = 3, SNED_VNNI = 4 } sned_kernel;

// Counts how often what this library is called with has changed; sned compares it with its own.
#define SNED_INTERFACE 7
int sned_interface(void);

// The fastest kernel that this processor runs, or the one that is to be used, as tests and benchmarks choose it before
// anything is packed; whether the processor runs a certain one; a kernel's name.
int sned_best_kernel(void);
void sned_use_kernel(int kernel);
int sned_has_kernel(int kernel);
const char * sned_kernel_name(int kernel);

// Whether a kernel multiplies one token with such a matrix so much sooner than ggml's own kernels on such a processor do with
// the plain one that packing it pays, and many tokens about as soon; as measured (docs/sparse-backend.md).
int sned_is_faster(int kernel, int64_t layout);

// Bytes that a matrix takes at most, whatever its zeros.
size_t sned_pack_bound(int64_t bits, int64_t rows, int64_t columns);

// Packs rows of ggml's Q8_0, or of its Q4_0 for 4-bit values (columns are a multiple of 32), in the layout that `kernel` is
// fastest with; any kernel computes with any. Where masks would take more than they save, 8-bit values get none. Returns the
// bytes it took.
size_t sned_pack_dense(int kernel, int64_t bits, const void * dense, int64_t rows, int64_t columns, void * out);

// A matrix of a sparse GGUF (docs/sparse-gguf.md). `group` and `kept_of` are its pattern's M and N, 0 where it is
// unstructured; `block` weights share a scale; `kept` is the values of a row, or -1 where a table comes first.
typedef struct {
    int64_t rows, columns, bits, block, group, kept_of, kept;
} sned_file_form;

// Packs it, as 8-bit values if `bits` is 8. Returns the bytes it took, or 0 if what it is given contradicts itself: it reads
// nothing beyond `size`, and writes nothing beyond the bound.
size_t sned_pack_file(int kernel, const sned_file_form * form, const void * file, size_t size, int64_t bits, void * out);

// The dense rows again, bit for bit: as Q8_0 or Q4_0.
void sned_unpack_dense(const sned_packed * matrix, void * out);

// One row as ggml makes floats of it.
void sned_read_row(const sned_packed * matrix, int64_t row, float * out);

// Bytes of one column's quantised activations, and the quantising: 32 share a scale, as in ggml's Q8_0.
size_t sned_column_bytes(int64_t columns);
void sned_quantise(int64_t columns, const float * x, void * column);

// Bytes of scratch memory that a product takes, for each thread.
size_t sned_scratch_bytes(int64_t columns);

// y[j * stride + i] = sum over k of matrix[i][k] * x[j][k], for rows first <= i < last and count quantised columns that
// lie sned_column_bytes apart. `first` is a multiple of 16, `columns` and `scratch` are multiples of 64 in memory. Rounded as
// ggml's CPU backend rounds: all kernels give the same bits, for few columns and for many.
void sned_multiply(int kernel, const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last,
                   float * y, int64_t stride, void * scratch);

#ifdef __cplusplus
}
#endif
