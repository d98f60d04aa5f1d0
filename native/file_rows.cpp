#include "file_rows.h"

#include <algorithm>

#include "spreading.h"

#if defined(__x86_64__) && !defined(SNED_PORTABLE_ONLY)
#include <immintrin.h>
#endif

namespace {

using namespace sned;

constexpr int64_t kChunk = 32;  // 4-bit values of an N:M row: 16 in the low halves of 16 bytes, then 16 in the high ones
constexpr int64_t kMost = int64_t(1) << 31;

bool finite_halves(const uint8_t * halves, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        if ((halves[2 * i + 1] & 0x7c) == 0x7c) return false;
    }
    return true;
}

// A number in every lane of 4, 8, 16 or 32 bits.
constexpr uint64_t in_lanes(uint64_t number, int64_t lane) { return ~uint64_t(0) / ((uint64_t(1) << lane) - 1) * number; }

// How many bits of each lane are set.
uint64_t lane_counts(uint64_t bits, int64_t lane) {
    bits -= bits >> 1 & in_lanes(5, 4);
    bits = (bits & in_lanes(3, 4)) + (bits >> 2 & in_lanes(3, 4));
    if (lane > 4) bits = (bits + (bits >> 4)) & in_lanes(15, 8);
    if (lane > 8) bits = (bits + (bits >> 8)) & in_lanes(31, 16);
    if (lane > 16) bits = (bits + (bits >> 16)) & in_lanes(63, 32);
    return bits;
}

// Makes room for the last bit of each group of 8, or of 4: from 64 bits down, the upper half of what lies close goes up.
uint64_t with_gaps_of_8(uint64_t bits) {
    bits = (bits & 0x000000000fffffff) | (bits & 0x00fffffff0000000) << 4;
    bits = (bits & 0x00003fff00003fff) | (bits & 0x0fffc0000fffc000) << 2;
    return (bits & 0x007f007f007f007f) | (bits & 0x3f803f803f803f80) << 1;
}

uint64_t with_gaps_of_4(uint64_t bits) {
    bits = (bits & 0x0000000000ffffff) | (bits & 0x0000ffffff000000) << 8;
    bits = (bits & 0x00000fff00000fff) | (bits & 0x00fff00000fff000) << 4;
    bits = (bits & 0x003f003f003f003f) | (bits & 0x0fc00fc00fc00fc0) << 2;
    return (bits & 0x0707070707070707) | (bits & 0x3838383838383838) << 1;
}

void spread_portable(const uint64_t * mask, const int8_t * values, int64_t columns, int8_t * codes) {
    for (int64_t start = 0; start < columns; ++start) {  // without branches
        const uint64_t set = mask[start / 64] >> start % 64 & 1;
        codes[start] = int8_t(*values & -int8_t(set));
        values += set;
    }
}

#if defined(__x86_64__) && !defined(SNED_PORTABLE_ONLY)
// Sixteen at a time: two bytes of mask choose among the next eight values each.
__attribute__((target("ssse3,popcnt"))) void spread_ssse3(const uint64_t * mask, const int8_t * values, int64_t columns,
                                                          int8_t * codes) {
    const __m128i upper = _mm_set_epi64x(0x0808080808080808, 0);
    for (int64_t start = 0; start < columns; start += 16) {
        const auto bits = uint32_t(mask[start / 64] >> start % 64 & 0xffff);
        const auto * next = values + _mm_popcnt_u32(bits & 0xff);
        const __m128i low = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(values));
        const __m128i high = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(next));
        const __m128i places = _mm_set_epi64x(int64_t(kSpreading.places[bits >> 8]), int64_t(kSpreading.places[bits & 0xff]));
        const __m128i spread = _mm_shuffle_epi8(_mm_unpacklo_epi64(low, high), _mm_add_epi8(places, upper));
        _mm_storeu_si128(reinterpret_cast<__m128i *>(codes + start), spread);
        values = next + _mm_popcnt_u32(bits >> 8);
    }
}

bool has_shuffle() {
    static const bool has = [] {
        __builtin_cpu_init();
        return __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("popcnt");
    }();
    return has;
}
#endif

}  // namespace

namespace sned {

bool FileForm::sane() const {
    if (rows < 1 || rows >= kMost || columns < kFileBlock || columns >= kMost || columns % kFileBlock) return false;
    if ((bits != 8 && bits != 4) || block < kFileBlock || block >= kMost || block % kFileBlock) return false;
    if (group == 0) return kept_of == 0 && kept >= -1 && kept <= columns;
    if (group != 4 && group != 8 && group != 16 && group != 32) return false;
    return columns % group == 0 && kept_of > 0 && kept_of < group && kept == columns / group * kept_of;
}

int64_t FileForm::value_bytes(int64_t count) const {
    if (bits == 8) return count;
    return group ? (count + kChunk - 1) / kChunk * (kChunk / 2) : (count + 1) / 2;
}

FileRows::FileRows(const FileForm & form, const void * file, size_t size)
    : form_(form), base_(static_cast<const uint8_t *>(file)), table_(form.kept < 0 ? rounded_to_8(4 * (form.rows + 1)) : 0),
      room_(size < size_t(1) << 40 ? int64_t(size) - table_ - SNED_SLACK : -1),
      apart_(form.kept < 0 ? 0 : form.row_bytes(form.kept)) {}

bool FileRows::sound() const {
    if (room_ < 0 || offset(0) != 0 || offset(form_.rows) != room_) return false;
    if (form_.kept >= 0) return true;
    const int64_t least = form_.row_bytes(0);
    for (int64_t row = 0; row < form_.rows; ++row) {
        if (offset(row + 1) - offset(row) < least) return false;
    }
    return true;
}

int64_t FileRows::offset(int64_t row) const {
    if (form_.kept >= 0) return row * apart_;
    uint32_t entry;
    std::memcpy(&entry, base_ + 4 * row, sizeof entry);
    return 8 * int64_t(entry);
}

RowUnpacker::RowUnpacker(const FileForm & form)
    : form_(form), mask_(size_t(form.columns + 63) / 64), values_(size_t(form.columns + SNED_SLACK)) {}

bool RowUnpacker::unpack(const uint8_t * row, const uint8_t * end, int8_t * codes) {
    if (end - row < form_.head() || !finite_halves(row, form_.scales())) return false;
    if (const int64_t last = form_.mask_bits() % 8; last && row[form_.head() - 1] >> last) return false;
    const uint8_t * mask = row + 2 * form_.scales();
    const int64_t count = form_.group ? group_mask(mask) : whole_mask(mask);
    if (count < 0 || (form_.kept >= 0 && count != form_.kept) || form_.row_bytes(count) != end - row) return false;
    const int8_t * stored = values(row + form_.head(), count);
#if defined(__x86_64__) && !defined(SNED_PORTABLE_ONLY)
    if (has_shuffle()) {
        spread_ssse3(mask_.data(), stored, form_.columns, codes);
        return true;
    }
#endif
    spread_portable(mask_.data(), stored, form_.columns, codes);
    return true;
}

// The mask as words; gives how many ones it has.
int64_t RowUnpacker::whole_mask(const uint8_t * mask) {
    int64_t ones = 0;
    mask_.back() = 0;
    std::memcpy(mask_.data(), mask, size_t(form_.columns / 8));
    for (const uint64_t each : mask_) {
        const uint64_t halves = lane_counts(each, 32);
        ones += int64_t((halves & 0xff) + (halves >> 32));
    }
    return ones;
}

// As above, with the bits that are left out; -1 if a group has another number of ones.
int64_t RowUnpacker::group_mask(const uint8_t * mask) {
    const int64_t group = form_.group;
    const bool implied = form_.stored() < group;
    const uint64_t one = in_lanes(1, group), top = one << (group - 1), expected = top + one * uint64_t(form_.kept_of);
    for (int64_t start = 0; start < form_.columns; start += 64) {
        uint64_t bits;
        std::memcpy(&bits, mask + start / group * form_.stored() / 8, sizeof bits);
        if (implied) bits = group == 8 ? with_gaps_of_8(bits) : with_gaps_of_4(bits);
        const uint64_t there = form_.columns - start < 64 ? ~uint64_t(0) >> (64 - (form_.columns - start)) : ~uint64_t(0);
        bits &= there;
        const uint64_t missing = expected - lane_counts(bits, group);  // no lane borrows: its top bit is set
        if (((implied ? missing & ~one : missing) ^ top) & there) return -1;
        if (implied) bits |= (missing & one & there) << (group - 1);
        mask_[size_t(start / 64)] = bits;
    }
    return form_.kept;
}

// The values as codes, a byte each.
const int8_t * RowUnpacker::values(const uint8_t * from, int64_t count) {
    if (form_.bits == 8) return reinterpret_cast<const int8_t *>(from);
    int8_t * to = values_.data();
    if (form_.group) {
        for (int64_t start = 0; start < count; start += kChunk, from += kChunk / 2) {
            int8_t chunk[kChunk];
            for (int64_t i = 0; i < kChunk / 2; ++i) {
                chunk[i] = int8_t((from[i] & 15) - 8);
                chunk[i + kChunk / 2] = int8_t((from[i] >> 4) - 8);
            }
            std::memcpy(to + start, chunk, sizeof chunk);
        }
    } else {
        for (int64_t i = 0; i < (count + 1) / 2; ++i) {
            to[2 * i] = int8_t((from[i] & 15) - 8);
            to[2 * i + 1] = int8_t((from[i] >> 4) - 8);
        }
    }
    return to;
}

}  // namespace sned
