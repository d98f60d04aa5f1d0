// Quantised activations, and the choice of the kernel.

#include <algorithm>
#include <cmath>

#include "panels.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace {

using namespace sned;

// Rounds to the nearest whole number, ties to even, where the magnitude is below 2^22.
inline float nearest(float value) { return (value + 12582912.0f) - 12582912.0f; }

void quantise(int64_t columns, const float * x, void * column) {
    const Column out(column, columns);
    for (int64_t b = 0; b < blocks_of(columns); ++b) {
        const float * block = x + b * kBlock;
        float largest = 0.0f;
        for (int64_t i = 0; i < kBlock; ++i) largest = std::max(largest, std::fabs(block[i]));
        const BlockScale scale(largest);
        int8_t * codes = out.codes + b * kBlock;
        int32_t total = 0;
        for (int64_t step = 0; step < kSteps; ++step) {
            int32_t sum = 0;
            for (int64_t i = 4 * step; i < 4 * step + 4; ++i) {
                const float code = nearest(block[i] * scale.inverse);
                const int32_t whole = code >= -127.0f && code <= 127.0f ? int32_t(code) : 0;
                codes[i] = int8_t(whole);
                sum += whole;
            }
            out.quads[kSteps * b + step] = -128 * sum;
            total += sum;
        }
        out.totals[b] = -8 * total;
        out.scales[b] = scale.value;
    }
}

#if defined(__x86_64__)
bool has_avxvnni() { return __builtin_cpu_supports("avxvnni"); }

bool has_avx512vnni() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
#endif

int fastest_kernel() {
    for (const int kernel : {SNED_AVX512, SNED_VNNI, SNED_AVX2, SNED_NEON}) {
        if (sned_has_kernel(kernel)) return kernel;
    }
    return SNED_PORTABLE;
}

int & used_kernel() {
    static int kernel = fastest_kernel();
    return kernel;
}

}  // namespace

extern "C" {

int sned_interface(void) { return SNED_INTERFACE; }

size_t sned_column_bytes(int64_t columns) {
    return size_t(rounded(2 * columns + columns / 4, 64));  // codes, sums of four and of blocks, scales
}

void sned_quantise(int64_t columns, const float * x, void * column) {
#if defined(__x86_64__)
    static const bool avx2 = sned_has_kernel(SNED_AVX2);
    if (avx2) return quantise_avx2(columns, x, column);
#endif
    quantise(columns, x, column);
}

size_t sned_scratch_bytes(int64_t columns) {
    return size_t(kRows * columns + 4 * kRows * blocks_of(columns));  // a panel that is unpacked, and its scales
}

int sned_has_kernel(int kernel) {
    if (kernel == SNED_PORTABLE) return 1;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt");
    if (kernel == SNED_AVX2) return avx2;
    if (kernel == SNED_VNNI) return avx2 && (has_avxvnni() || has_avx512vnni());
    if (kernel == SNED_AVX512) {
        return avx2 && has_avx512vnni() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("gfni");
    }
#endif
#if defined(__aarch64__) && defined(__linux__)
    if (kernel == SNED_NEON) return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? 1 : 0;
#endif
    return 0;
}

int sned_best_kernel(void) { return used_kernel(); }

void sned_use_kernel(int kernel) {
    if (sned_has_kernel(kernel)) used_kernel() = kernel;
}

int sned_is_faster(int kernel, int64_t layout) {
    if (kernel == SNED_AVX512) return 1;
    // Spreading values by masks takes longer than ggml's Q4_0, and saves too little of Q8_0's time to make up for packing
    // at each start.
    return (kernel == SNED_AVX2 || kernel == SNED_VNNI) && layout != SNED_MASKS;
}

const char * sned_kernel_name(int kernel) {
    switch (kernel) {
        case SNED_PORTABLE: return "portable";
        case SNED_AVX2: return "AVX2";
        case SNED_NEON: return "NEON";
        case SNED_VNNI: return "AVX-VNNI";
        case SNED_AVX512: return "AVX-512 VBMI2";
        default: return "unknown";
    }
}

void sned_multiply(int kernel, const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last,
                   float * y, int64_t stride, void * scratch) {
    Multiply multiply = multiply_portable;
    const int64_t layout = matrix->layout;
#if defined(__x86_64__)
    static const Multiply vnni = has_avxvnni() ? avxvnni::multiply : avx512vnni::multiply;
    if (kernel == SNED_AVX2 && layout != SNED_SLOTS) multiply = avx2::multiply;
    if (kernel == SNED_VNNI && layout != SNED_SLOTS) multiply = vnni;
    // What is packed for AVX2, AVX-512 leaves to it.
    if (kernel == SNED_AVX512) multiply = layout == SNED_GROUPS ? avx2::multiply : multiply_avx512;
#elif defined(__aarch64__)
    if (kernel == SNED_NEON && (layout == SNED_WHOLE || layout == SNED_MASKS)) multiply = multiply_neon;
#endif
    multiply(matrix, columns, count, first, last, y, stride, scratch);
}

}  // extern "C"
