// What kernels share: where the parts of a panel and of a quantised column lie, and the order of sums.
//
// ggml multiplies Q8_0 on x86-64 in eight chains: each adds four products a block, times both scales, by one fused
// multiply-add, and in the end the chains are added in pairs. Of Q4_0, which it repacks, a block's 32 products are one integer
// first, and there is one chain. Integers are exact, and so is the product of two half-precision scales. Whoever follows
// those chains has ggml's very bits (arch/x86/quants.c and repack.cpp, llamafile/sgemm.cpp of llama.cpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "packed.h"

namespace sned {

constexpr int64_t kBlock = 32;  // weights, or activations, that share a scale
constexpr int64_t kRows = SNED_PANEL;
constexpr int64_t kSteps = 8;  // of four weights of each row, in a block
constexpr int64_t kStepBytes = 4 * kRows;  // of a step whose weights are all there
constexpr int64_t kScaleBytes = 2 * kRows;
constexpr int64_t kMaskBytes = 8 * kSteps;

inline int64_t rounded(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

inline int64_t blocks_of(int64_t columns) { return columns / kBlock; }

inline int64_t panels_of(int64_t rows) { return (rows + kRows - 1) / kRows; }

// What a zero is stored as.
inline uint8_t zero_of(int64_t bits) { return bits == 8 ? 128 : 8; }

inline uint64_t word(const uint8_t * at) {
    uint64_t bits;
    std::memcpy(&bits, at, sizeof bits);
    return bits;
}

inline float half_to_float(uint16_t half) {
    const uint32_t sign = uint32_t(half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 31;
    const uint32_t fraction = half & 1023;
    if (exponent == 0) {
        const float magnitude = float(fraction) * 5.9604644775390625e-8f;  // 2^-24
        return sign ? -magnitude : magnitude;
    }
    const uint32_t bits = sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | fraction << 13;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// The nearest half-precision number, ties to even, as a float.
inline float through_half(float value) {  // value >= 0
    if (!(value < 65520.0f)) return INFINITY;
    if (value < 6.103515625e-05f) return (value + 0.5f) - 0.5f;  // 2^-14: units of 2^-24 below it
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    bits += 0x0fff + (bits >> 13 & 1);
    bits &= ~uint32_t(0x1fff);
    std::memcpy(&value, &bits, sizeof bits);
    return value;
}

// What activations of a block are multiplied with, by their largest magnitude: scales of ggml's Q8_0 are stored in half precision.
struct BlockScale {
    float value, inverse;

    // A scale of zero, or that is no number, makes all codes zero.
    explicit BlockScale(float largest)
        : value(through_half(largest / 127.0f)), inverse(value > 0.0f && value < INFINITY ? 127.0f / largest : 0.0f) {}
};

inline float half_at(const uint8_t * at) {
    uint16_t half;
    std::memcpy(&half, at, sizeof half);
    return half_to_float(half);
}

inline const uint8_t * panel_at(const sned_packed * matrix, int64_t panel) {
    const auto * base = reinterpret_cast<const uint8_t *>(matrix);
    return base + word(base + sizeof(sned_packed) + 8 * panel);
}

// The masks of a block that has all its weights.
alignas(8) constexpr uint8_t kWhole[kMaskBytes] = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

// One block of a panel that is whole or has masks.
struct Block {
    const uint8_t * scales;
    const uint8_t * masks;
    const uint8_t * values;
    int shift;  // where a 4-bit value lies in its byte

    float scale(int64_t row) const { return half_at(scales + 2 * row); }

    int64_t count() const {
        int64_t ones = 0;
        for (int64_t step = 0; step < kSteps; ++step) ones += __builtin_popcountll(word(masks + 8 * step));
        return ones;
    }
};

// Calls `take(index, block)` for each block of such a panel.
template <typename Take> inline void each_block(const sned_packed * matrix, int64_t panel, Take take) {
    const uint8_t *at = panel_at(matrix, panel), *scales = at;
    const int64_t blocks = blocks_of(matrix->columns), most = matrix->bits == 8 ? 1 : 2;
    const int64_t apart = matrix->shared > 1 ? 0 : kScaleBytes;  // of a pair's scales
    for (int64_t index = 0; index < blocks; index += most) {
        const int64_t here = blocks - index < most ? blocks - index : most;
        if (index % matrix->shared == 0) {
            scales = at;
            at += apart ? here * apart : kScaleBytes;
        }
        const uint8_t * masks = at;
        const uint8_t * values = masks + (matrix->layout == SNED_MASKS ? here * kMaskBytes : 0);
        int64_t size = 0;
        for (int64_t i = 0; i < here; ++i) {
            const Block block = {scales + i * apart, matrix->layout == SNED_MASKS ? masks + i * kMaskBytes : kWhole, values, int(4 * i)};
            take(index + i, block);
            const int64_t count = block.count();
            size = count > size ? count : size;
        }
        at = values + size;
    }
}

// Where the scales of pairs of 4-bit blocks are, on the way through a panel.
struct PairScales {
    const uint8_t *first = nullptr, *second = nullptr;

    explicit PairScales(int64_t shared) : shared_(shared) {}

    // What comes behind those of the pair that begins here, which may be further up.
    const uint8_t * pass(int64_t block, const uint8_t * at) {
        if (block & (shared_ - 1)) return at;
        first = at;
        second = shared_ > 1 ? at : at + kScaleBytes;
        return second + kScaleBytes;
    }

    // As above, of a block without another one.
    const uint8_t * pass_last(int64_t block, const uint8_t * at) {
        if (block & (shared_ - 1)) return at;
        first = at;
        return at + kScaleBytes;
    }

  private:
    int64_t shared_;
};

// The parts of one quantised column.
struct Column {
    int8_t * codes;
    int32_t * quads;   // of each four codes, their sum times -128: kernels multiply value + 128, which has no sign
    int32_t * totals;  // of each block, the sum of its codes times -8
    float * scales;    // of each block

    Column(const void * columns_, int64_t columns, int64_t index = 0) {
        auto * base = static_cast<uint8_t *>(const_cast<void *>(columns_)) + index * int64_t(sned_column_bytes(columns));
        codes = reinterpret_cast<int8_t *>(base);
        quads = reinterpret_cast<int32_t *>(base + columns);
        totals = reinterpret_cast<int32_t *>(base + 2 * columns);
        scales = reinterpret_cast<float *>(base + 2 * columns + columns / 8);
    }
};

using Multiply = void (*)(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *);

void multiply_portable(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *);
#if defined(__x86_64__)
void quantise_avx2(int64_t columns, const float * x, void * column);
namespace avx2 { void multiply(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *); }
namespace avxvnni { void multiply(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *); }
namespace avx512vnni { void multiply(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *); }
void multiply_avx512(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *);
uint64_t pack_step_avx512(const uint8_t * weights, uint8_t zero, uint8_t * out);
#endif
#if defined(__aarch64__)
void multiply_neon(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *);
#endif

// A panel's weights, with their signs: `columns` of each of its 16 rows; and half-precision scales, one for each block.
void unpack_panel(const sned_packed * matrix, int64_t panel, int8_t * weights, uint8_t * scales);

// Which layout a kernel is fastest with where four of eight neighbours are kept at most.
inline sned_layout layout_of(int kernel, int64_t bits) {
    if (kernel == SNED_AVX512) return bits == 4 ? SNED_SLOTS : SNED_MASKS;
    return kernel == SNED_NEON ? SNED_MASKS : SNED_GROUPS;
}

// How many blocks have their scales once for a kernel where so many share them: 1, 2, 4 or 8, and as few as that makes no
// difference.
inline int64_t shared_for(int kernel, int64_t bits, int64_t shared, int64_t blocks) {
    if (kernel != SNED_AVX512 && (bits != 8 || kernel == SNED_NEON)) return 1;
    shared = std::min(shared & -shared, int64_t(8));
    while (shared > 1 && shared / 2 >= blocks) shared /= 2;
    return shared;
}

// Sixteen rows before they are packed: what is stored for each weight, and scales.
struct Dense {
    const uint8_t * values;  // `columns` of each row
    const uint8_t * scales;  // half-precision numbers, one for each block of each row
};

// Writes panels one after another.
class Writer {
  public:
    Writer(const sned_packed & head, void * out);
    void add(const Dense & rows);
    size_t finish();

  private:
    void add_scales(const Dense & rows, int64_t block);
    void add_masks(const Dense & rows);
    void add_groups(const Dense & rows);
    void add_slots(const Dense & rows);
    int64_t add_steps(const Dense & rows, int64_t block, uint8_t * masks, uint8_t * values) const;
    void note();

    sned_packed head_;
    uint8_t *base_, *table_, *end_;
    bool fast_;
};

}  // namespace sned
