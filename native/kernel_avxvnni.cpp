// The kernel with 256-bit vectors and vpdpbusd, in the coding of AVX-VNNI (Intel from Alder Lake, AMD from Zen 5).

#if defined(__x86_64__)

#define SNED_VARIANT avxvnni
#define SNED_TARGET __attribute__((target("avx2,fma,f16c,popcnt,avxvnni")))
#define SNED_DOT _mm256_dpbusd_avx_epi32

#include "kernel_avx2.cpp"
#include "kernel_avx2_groups.cpp"
#include "tile_avx2.cpp"

#endif
