// From the matrices of a sparse GGUF to packed ones. Their bytes may be anything: nothing is believed.

#include <algorithm>
#include <vector>

#include "file_rows.h"
#include "groups.h"

using namespace sned;

extern "C" size_t sned_pack_file(int kernel, const sned_file_form * given, const void * file, size_t size, int64_t bits,
                                 void * out) {
    const FileForm form(*given);
    if (!form.sane() || (bits != 8 && bits != form.bits)) return 0;
    const FileRows reader(form, file, size);
    if (!reader.sound()) return 0;
    const int64_t rows = form.rows, columns = form.columns, blocks = blocks_of(columns);
    const bool grouped = form.group && form.group <= kGroup && 2 * form.kept_of == form.group;
    const int64_t shared = shared_for(kernel, bits, form.block / kBlock, blocks);
    Writer writer({SNED_PACKED_MAGIC, rows, columns, bits, grouped ? layout_of(kernel, bits) : SNED_MASKS, shared}, out);
    RowUnpacker unpacker(form);
    std::vector<int8_t> codes;
    codes.resize(size_t(columns));
    std::vector<uint8_t> values(size_t(kRows * columns)), scales(size_t(kRows * 2 * blocks));
    for (int64_t first = 0; first < rows; first += kRows) {
        const int64_t there = std::min(rows - first, kRows);
        if (there < kRows) {
            std::fill(values.begin(), values.end(), zero_of(bits));
            std::fill(scales.begin(), scales.end(), uint8_t(0));
        }
        for (int64_t i = 0; i < there; ++i) {
            const uint8_t * row = reader.row(first + i);
            if (!unpacker.unpack(row, reader.row(first + i + 1), codes.data())) return 0;
            uint8_t *to = &values[size_t(i * columns)], *to_scales = &scales[size_t(i * 2 * blocks)];
            for (int64_t j = 0; j < columns; ++j) to[j] = uint8_t(codes[size_t(j)] + zero_of(bits));
            for (int64_t j = 0; j < blocks; ++j) std::memcpy(to_scales + 2 * j, row + 2 * (j * kBlock / form.block), 2);
        }
        writer.add({values.data(), scales.data()});
    }
    return writer.finish();
}
