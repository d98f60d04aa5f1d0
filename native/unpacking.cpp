#include "unpacking.h"

#include <algorithm>
#include <new>

#include "file_rows.h"

namespace {

using namespace sned;

constexpr int64_t kBlockBytes8 = 34, kBlockBytes4 = 18;  // of Q8_0 and Q4_0: a scale, and 32 codes

// One row of blocks, from its codes and from its scales as the file has them.
void write_row(const FileForm & form, const int8_t * codes, const uint8_t * scales, int64_t bits, uint8_t * to) {
    for (int64_t start = 0; start < form.columns; start += kFileBlock, codes += kFileBlock) {
        std::memcpy(to, scales + 2 * (start / form.block), 2);
        to += 2;
        if (bits == 8) {
            std::memcpy(to, codes, kFileBlock);
            to += kFileBlock;
            continue;
        }
        uint8_t halves[kFileBlock / 2];
        for (int64_t i = 0; i < kFileBlock / 2; ++i) halves[i] = uint8_t((codes[i] + 8) | (codes[i + kFileBlock / 2] + 8) << 4);
        std::memcpy(to, halves, sizeof halves);
        to += kFileBlock / 2;
    }
}

bool unpack(const FileForm & form, const FileRows & rows, int64_t bits, int64_t first, int64_t last, uint8_t * out) {
    const int64_t size = form.columns / kFileBlock * (bits == 8 ? kBlockBytes8 : kBlockBytes4);
    if (first < 0 || last < first || last > form.rows * size) return false;
    RowUnpacker unpacker(form);
    std::vector<int8_t> codes(size_t(form.columns));
    std::vector<uint8_t> cut;  // a row of which only a part is wanted
    cut.resize(size_t(size));
    for (int64_t row = first / size; row * size < last; ++row) {
        if (!unpacker.unpack(rows.row(row), rows.row(row + 1), codes.data())) return false;
        const int64_t from = std::max(first, row * size), to = std::min(last, (row + 1) * size);
        uint8_t * target = out + (from - first);
        const bool whole = to - from == size;
        write_row(form, codes.data(), rows.row(row), bits, whole ? target : cut.data());
        if (!whole) std::memcpy(target, cut.data() + (from - row * size), size_t(to - from));
    }
    return true;
}

}  // namespace

extern "C" int sned_unpacking_interface(void) { return SNED_UNPACKING_INTERFACE; }

extern "C" int sned_unpack_file(const sned_file_form * given, const void * file, size_t size, int64_t bits, int64_t first,
                                int64_t last, void * out) {
    const FileForm form(*given);
    if (!form.sane() || (bits != 8 && (bits != 4 || form.bits != 4))) return 0;
    const FileRows rows(form, file, size);
    if (!rows.sound()) return 0;
    try {
        return unpack(form, rows, bits, first, last, static_cast<uint8_t *>(out));
    } catch (const std::bad_alloc &) {
        return 0;
    }
}
