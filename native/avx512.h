// What the kernels with AVX-512 share.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include "panels.h"

#define SNED_TARGET \
    __attribute__((target("avx2,fma,f16c,popcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vnni,gfni")))
#define SNED_INLINE __attribute__((always_inline)) inline

namespace sned {

SNED_TARGET SNED_INLINE __m512i broadcast(const void * at) {
    int32_t value;
    std::memcpy(&value, at, sizeof value);
    return _mm512_set1_epi32(value);
}

SNED_TARGET SNED_INLINE __m512 scales_at(const uint8_t * at) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(at)));
}

// Asks for memory that will be needed, to have it in the first cache or in the second, which can await
// more lines at a time.
template <int Cache, int64_t Ahead> SNED_TARGET SNED_INLINE void fetch(const uint8_t * at, int64_t bytes) {
    constexpr auto kHint = Cache == 1 ? _MM_HINT_T0 : _MM_HINT_T1;
    for (int64_t i = 0; i < bytes; i += 64) _mm_prefetch(reinterpret_cast<const char *>(at + Ahead + i), kHint);
}

// N columns, `apart` bytes from each other.
struct Columns {
    Column first;
    int64_t apart;

    SNED_TARGET SNED_INLINE __m512i codes(int64_t j, int64_t at) const { return broadcast(first.codes + j * apart + at); }
    // A block's codes, twice.
    SNED_TARGET SNED_INLINE __m512i block(int64_t j, int64_t index) const {
        const auto * from = reinterpret_cast<const __m256i *>(first.codes + j * apart + index * kBlock);
        return _mm512_broadcast_i64x4(_mm256_loadu_si256(from));
    }
    SNED_TARGET SNED_INLINE __m512i quad(int64_t j, int64_t at) const {
        return broadcast(reinterpret_cast<const uint8_t *>(first.quads + at) + j * apart);
    }
    SNED_TARGET SNED_INLINE __m512i total(int64_t j, int64_t block, int shift) const {
        int32_t value;
        std::memcpy(&value, reinterpret_cast<const uint8_t *>(first.totals + block) + j * apart, sizeof value);
        return _mm512_set1_epi32(int32_t(uint32_t(value) << shift));
    }
    SNED_TARGET SNED_INLINE __m512 scale(int64_t j, int64_t block) const {
        return _mm512_castsi512_ps(broadcast(reinterpret_cast<const uint8_t *>(first.scales + block) + j * apart));
    }
};

// A panel whose weights are all there, each plus its zero.
struct Tile {
    uint8_t * weights;
    float * scales;
};

// The product of a panel in slots (slots.h) with 1 to 3 columns, and such a panel unpacked.
SNED_TARGET void few_slots(const sned_packed * matrix, int64_t panel, const Columns & columns, int64_t count, __m512 * out);
SNED_TARGET void unpack_slots(const sned_packed * matrix, int64_t panel, const Tile & tile);

}  // namespace sned

#endif
