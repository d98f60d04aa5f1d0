// The kernel in AVX-VNNI's coding, on processors that have the instruction and on those with AVX2 that do not: there each vpdpbusd is
// an illegal instruction, and what handles the signal does what it says. Slow, and the very code that others run.

#include <signal.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "panels.h"

namespace {

struct Free {
    void operator()(void * memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

Memory memory_of(size_t size) { return Memory(std::aligned_alloc(64, (size + 63) / 64 * 64)); }

unsigned long emulated = 0;

// A vector register of what was interrupted: in two halves, where XSAVE keeps them.
class Register {
  public:
    Register(uint8_t * state, int number) : low_(state + 160 + 16 * number), high_(state + 576 + 16 * number) {}
    void read(uint8_t * to) const { std::memcpy(to, low_, 16), std::memcpy(to + 16, high_, 16); }
    void write(const uint8_t * from) { std::memcpy(low_, from, 16), std::memcpy(high_, from + 16, 16); }

  private:
    uint8_t *low_, *high_;
};

// VEX.256.66.0F38.W0 50 /r, and nothing else.
void on_illegal(int, siginfo_t *, void * given) {
    constexpr int kOrder[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    auto & machine = static_cast<ucontext_t *>(given)->uc_mcontext;
    const auto * at = reinterpret_cast<const uint8_t *>(machine.gregs[REG_RIP]);
    if (at[0] != 0xc4 || (at[1] & 31) != 2 || (at[2] & 0x87) != 5 || at[3] != 0x50) {
        signal(SIGILL, SIG_DFL);
        return;
    }
    const int r = at[1] & 0x80 ? 0 : 8, x = at[1] & 0x40 ? 0 : 8, b = at[1] & 0x20 ? 0 : 8, v = ~at[2] >> 3 & 15;
    const int mode = at[4] >> 6, reg = (at[4] >> 3 & 7) + r, rm = at[4] & 7;
    const auto general = [&](int number) { return machine.gregs[kOrder[number]]; };
    auto * state = reinterpret_cast<uint8_t *>(machine.fpregs);
    at += 5;
    uint8_t sums[32], first[32], second[32];
    if (mode == 3) {
        Register(state, rm + b).read(second);
    } else {
        int64_t address = 0;
        bool relative = false, wide = mode == 2;
        if (rm == 4) {
            const int index = (*at >> 3 & 7) + x, base = *at & 7;
            if (index != 4) address += general(index) << (*at >> 6);
            if (mode == 0 && base == 5) wide = true;
            else address += general(base + b);
            ++at;
        } else if (mode == 0 && rm == 5) {
            relative = wide = true;
        } else {
            address += general(rm + b);
        }
        if (wide) {
            int32_t distance;
            std::memcpy(&distance, at, sizeof distance);
            address += distance, at += 4;
        } else if (mode == 1) {
            address += int8_t(*at++);
        }
        if (relative) address += reinterpret_cast<int64_t>(at);
        std::memcpy(second, reinterpret_cast<const void *>(address), sizeof second);
    }
    Register to(state, reg);
    to.read(sums);
    Register(state, v).read(first);
    for (int lane = 0; lane < 8; ++lane) {
        int32_t sum;
        std::memcpy(&sum, sums + 4 * lane, sizeof sum);
        for (int i = 4 * lane; i < 4 * lane + 4; ++i) sum += first[i] * int8_t(second[i]);
        std::memcpy(sums + 4 * lane, &sum, sizeof sum);
    }
    to.write(sums);
    machine.gregs[REG_RIP] = reinterpret_cast<greg_t>(at);
    ++emulated;
}

bool check(std::mt19937 & random, int64_t bits, unsigned zeros, bool grouped) {
    const int64_t rows = 1 + random() % 40, blocks = 1 + random() % 12, count = 1 + random() % 8, width = 32 * blocks;
    const auto apart = 2 + 4 * bits;
    std::vector<uint8_t> dense(size_t(rows * blocks * apart));
    for (auto & byte : dense) byte = random() % 100 < zeros ? (bits == 8 ? 0 : 0x88) : uint8_t(random());
    for (size_t i = 0; i < dense.size(); i += size_t(apart)) {
        dense[i] = uint8_t(random()), dense[i + 1] = 0x20;
        for (size_t k = 2; grouped && k < size_t(apart); k += 2) dense[i + k] = bits == 8 ? 0 : 0x88;
    }
    const Memory packed = memory_of(sned_pack_bound(bits, rows, width));
    sned_pack_dense(SNED_VNNI, bits, dense.data(), rows, width, packed.get());
    const auto * matrix = static_cast<const sned_packed *>(packed.get());
    const Memory columns = memory_of(sned_column_bytes(width) * size_t(count)), scratch = memory_of(sned_scratch_bytes(width));
    std::vector<float> x(size_t(width), 0.0f), expected(size_t(rows * count)), y(expected.size());
    for (int64_t j = 0; j < count; ++j) {
        for (auto & value : x) value = float(random() % 2001) / 1000 - 1;
        sned_quantise(width, x.data(), static_cast<uint8_t *>(columns.get()) + size_t(j) * sned_column_bytes(width));
    }
    sned_multiply(SNED_PORTABLE, matrix, columns.get(), count, 0, rows, expected.data(), rows, scratch.get());
    sned::avxvnni::multiply(matrix, columns.get(), count, 0, rows, y.data(), rows, scratch.get());
    return y == expected;
}

}  // namespace

int main() {
    if (!sned_has_kernel(SNED_AVX2)) return 77;
    struct sigaction action = {};
    action.sa_sigaction = on_illegal;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &action, nullptr);
    std::mt19937 random(1);
    for (int i = 0; i < 120; ++i) {
        const int64_t bits = i % 2 ? 8 : 4;
        const unsigned zeros = i % 3 == 0 ? 50 : i % 3 == 1 ? 0 : unsigned(random() % 101);
        if (!check(random, bits, zeros, i % 4 < 2)) {
            std::printf("wrong: product %d, of %d bits\n", i, int(bits));
            return 1;
        }
    }
    std::printf("%lu instructions emulated\n", emulated);
    if (emulated == 0 && !__builtin_cpu_supports("avxvnni")) return 2;  // they were not there
}
