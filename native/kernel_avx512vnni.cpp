// The kernel with 256-bit vectors and vpdpbusd, in the coding of AVX-512 VNNI and VL (Intel from Cascade Lake, AMD from Zen 4).

#if defined(__x86_64__)

#define SNED_VARIANT avx512vnni
#define SNED_TARGET __attribute__((target("avx2,fma,f16c,popcnt,avx512f,avx512vl,avx512vnni")))
#define SNED_DOT _mm256_dpbusd_epi32

#include "kernel_avx2.cpp"
#include "kernel_avx2_groups.cpp"
#include "tile_avx2.cpp"

#endif
