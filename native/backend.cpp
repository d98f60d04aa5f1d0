// Products with pruned matrices in packed form, inside ggml's CPU backend.
//
// The CPU backend lets types of buffers join it that compute with what lies in them, as its own repacked layouts do. This
// one takes two operations: MUL_MAT, and GET_ROWS for embeddings that are the output matrix too. Whoever loads a model
// names the tensors that go there (`tensor_buft_overrides` of llama_model_params). A model's graph stays whole so: a backend
// of its own, which this was, has some three hundred parts of it for each token, each with threads that begin and end.

#include <algorithm>
#include <cstring>
#include <string>

#include "buffer.h"
#include "ggml-cpu.h"
#include "ggml/ggml-cpu-traits.h"

#ifndef SNED_GGML
#error "the build script says which ggml this is made for"
#endif

extern "C" const char * ggml_commit(void);

namespace {

constexpr size_t kAlignment = 64;
constexpr int64_t kPieces = 4;  // that each thread's share of a matrix is cut into, so that a slow thread holds up no other

size_t aligned(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

int64_t columns_of(const ggml_tensor * x) { return x->ne[1] * x->ne[2] * x->ne[3]; }

// Where the parts of a product lie in ggml's work buffer: quantised columns, which threads share or, where there is one,
// have each for themselves, as quantising it takes less than waiting for each other; and a panel for each thread.
struct Room {
    size_t column, columns, panel;

    Room(int64_t width, int64_t count, int threads)
        : column(sned_column_bytes(width)),
          columns(column * size_t(count == 1 ? threads : count)),
          panel(count == 1 ? 0 : aligned(sned_scratch_bytes(width))) {}

    size_t bytes(int threads) const { return kAlignment + columns + panel * size_t(threads); }
};

// Hands out the pieces of a product to whichever thread asks. The count is kept in the operation itself, at 0 between
// products; a thread asks until there is nothing left, and the last one to hear so sets it back.
class Pieces {
  public:
    Pieces(ggml_tensor * op, int64_t count, int threads)
        : taken_(reinterpret_cast<uintptr_t *>(&op->extra)), count_(count), threads_(threads) {}

    // The next one, or -1.
    int64_t next() {
        const auto ticket = int64_t(__atomic_fetch_add(taken_, 1, __ATOMIC_RELAXED));
        if (ticket < count_) return ticket;
        if (ticket + 1 == count_ + threads_) __atomic_store_n(taken_, 0, __ATOMIC_RELAXED);
        return -1;
    }

  private:
    uintptr_t * taken_;
    int64_t count_, threads_;
};

void multiply(const ggml_compute_params & params, ggml_tensor * op) {
    const int kernel = sned_best_kernel();
    const sned_packed * matrix = packed_of(op->src[0]);
    const ggml_tensor * x = op->src[1];
    const int64_t width = matrix->columns, rows = matrix->rows, count = columns_of(x);
    const Room room(width, count, params.nth);
    GGML_ASSERT(room.bytes(params.nth) <= params.wsize);
    auto * work = reinterpret_cast<uint8_t *>(aligned(reinterpret_cast<size_t>(params.wdata)));
    uint8_t * columns = work + (count == 1 ? room.column * size_t(params.ith) : 0);
    const auto quantise = [&](int64_t j) {
        const int64_t i1 = j % x->ne[1], i2 = j / x->ne[1] % x->ne[2], i3 = j / x->ne[1] / x->ne[2];
        const char * from = static_cast<const char *>(x->data) + i1 * int64_t(x->nb[1]) + i2 * int64_t(x->nb[2]) +
                            i3 * int64_t(x->nb[3]);
        sned_quantise(width, reinterpret_cast<const float *>(from), columns + room.column * size_t(j));
    };
    if (count == 1) {
        quantise(0);
    } else {
        for (int64_t j = params.ith; j < count; j += params.nth) quantise(j);
        ggml_barrier(params.threadpool);
    }
    const int64_t share = rows / (params.nth * kPieces) / SNED_PANEL * SNED_PANEL;
    const int64_t piece = std::max(share, int64_t(SNED_PANEL));
    auto * y = static_cast<float *>(op->data);
    void * panel = work + room.columns + room.panel * size_t(params.ith);
    Pieces pieces(op, (rows + piece - 1) / piece, params.nth);
    for (int64_t i = pieces.next(); i >= 0; i = pieces.next()) {
        const int64_t first = i * piece;
        sned_multiply(kernel, matrix, columns, count, first, std::min(first + piece, rows), y, rows, panel);
    }
}

// Rows of embeddings that are the output matrix as well.
void get_rows(const ggml_compute_params & params, const ggml_tensor * op) {
    const sned_packed * matrix = packed_of(op->src[0]);
    const ggml_tensor * rows = op->src[1];
    for (int64_t i = params.ith; i < rows->ne[0]; i += params.nth) {
        int32_t row;
        std::memcpy(&row, static_cast<const char *>(rows->data) + i * int64_t(rows->nb[0]), sizeof row);
        GGML_ASSERT(row >= 0 && row < matrix->rows);
        sned_read_row(matrix, row, reinterpret_cast<float *>(static_cast<char *>(op->data) + i * int64_t(op->nb[1])));
    }
}

class Operations : public ggml::cpu::tensor_traits {
    bool work_size(int threads, const ggml_tensor * op, size_t & size) override {
        size = 0;
        if (op->op == GGML_OP_MUL_MAT) {
            size = Room(op->src[0]->ne[0], columns_of(op->src[1]), threads).bytes(threads);
        }
        return true;
    }

    bool compute_forward(ggml_compute_params * params, ggml_tensor * op) override {
        if (op->op == GGML_OP_MUL_MAT) multiply(*params, op);
        else get_rows(*params, op);
        return true;
    }
};

ggml_backend_buffer_type_t packed_type();

bool is_packed(const ggml_tensor * weights) { return weights->buffer && weights->buffer->buft == packed_type(); }

class Packed : public ggml::cpu::extra_buffer_type {
    // An empty buffer is how llama.cpp asks whether it should put weights here unasked.
    bool supports_op(ggml_backend_dev_t, const ggml_tensor * op) override {
        const ggml_tensor *weights = op->src[0], *other = op->src[1];
        if (!other || !is_packed(weights) || weights->buffer->size == 0) return false;
        if (!can_pack(weights) || op->type != GGML_TYPE_F32) return false;
        if (other->buffer && !ggml_backend_buffer_is_host(other->buffer)) return false;
        if (op->op == GGML_OP_MUL_MAT) return other->type == GGML_TYPE_F32 && other->nb[0] == sizeof(float);
        return op->op == GGML_OP_GET_ROWS && other->type == GGML_TYPE_I32 && ggml_nelements(other) == other->ne[0] &&
               op->nb[0] == sizeof(float);
    }

    ggml::cpu::tensor_traits * get_tensor_traits(const ggml_tensor * op) override {
        static Operations operations;
        const bool ours = (op->op == GGML_OP_MUL_MAT || op->op == GGML_OP_GET_ROWS) && is_packed(op->src[0]);
        return ours ? &operations : nullptr;
    }
};

ggml_backend_buffer_type_t packed_type() {
    static Packed packed;
    static ggml_backend_buffer_type type = packed_buffer_type(ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0), &packed);
    return &type;
}

// --- what ggml_backend_load asks for: a registry, with no device, as the CPU's computes

const char * reg_name(ggml_backend_reg_t) { return "SNED_SPARSE"; }

size_t reg_count(ggml_backend_reg_t) { return 0; }

ggml_backend_dev_t reg_device(ggml_backend_reg_t, size_t) { return nullptr; }

void * reg_function(ggml_backend_reg_t, const char *) { return nullptr; }

ggml_backend_reg_t registry() {
    static ggml_backend_reg reg = {GGML_BACKEND_API_VERSION, {reg_name, reg_count, reg_device, reg_function}, nullptr};
    return &reg;
}

// ggml's list is read at every operation: there must be none under way in this process.
void join_cpu() {
    auto & types = ggml_backend_cpu_get_extra_buffer_types();
    if (std::find(types.begin(), types.end(), packed_type()) == types.end()) types.push_back(packed_type());
}

}  // namespace

extern "C" {

// Which ggml this library was made for: its version and commit.
const char * sned_sparse_ggml(void) { return SNED_GGML; }

// Where pruned matrices are to lie.
ggml_backend_buffer_type_t sned_sparse_buffer_type(void) { return packed_type(); }

// ggml's entry point: nothing where the ggml that loads it is another one, whose structures may differ.
ggml_backend_reg_t ggml_backend_init(void) {
    const std::string running = std::string(ggml_version()) + " " + ggml_commit();
    if (running != SNED_GGML) return nullptr;
    join_cpu();
    return registry();
}

}  // extern "C"
