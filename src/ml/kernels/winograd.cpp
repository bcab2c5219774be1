// 3x3 convolutions with 16 instead of 36 products for every 2x2 outputs: Lavin and Gray 2016, "Fast Algorithms for
// Convolutional Neural Networks", F(2x2, 3x3). An output tile is Y = A'[(G g G') . (B' d B)]A for a filter g and a 4x4 input
// tile d that overlaps its neighbours by two; the sum over channels is a matrix product for each of the 16 positions.
//
// A block of 12 tiles goes through all three steps while it is in the first two levels of cache; bias, shortcut, rectifier and
// the backward pass's mask are applied before the result is stored. Errors are those of a direct f32 convolution (backbone/gradient/tests.rs
// measures them). Compiled for AVX2 and FMA, hence without any header whose inline
// functions other files share.
#include "winograd.h"

namespace unlearnd {
namespace {

typedef float Vector __attribute__((vector_size(32)));
typedef float Unaligned __attribute__((vector_size(32), aligned(4)));

constexpr int64_t kLanes = 8, kPanel = 2 * kLanes, kPositions = 16, kTiles = 12;

inline Vector load(const float* at) { return *reinterpret_cast<const Unaligned*>(at); }
inline void store(float* at, Vector value) { *reinterpret_cast<Unaligned*>(at) = value; }
inline Vector broadcast(float x) { return Vector{x, x, x, x, x, x, x, x}; }

// A tile's place among images, rows and columns of tiles.
struct Place {
  int64_t image, row, column;

  static Place of(int64_t tile, int64_t rows, int64_t columns) {
    return {tile / (rows * columns), tile / columns % rows, tile % columns};
  }
  void advance(int64_t rows, int64_t columns) {
    if (++column < columns) return;
    column = 0;
    if (++row < rows) return;
    row = 0;
    ++image;
  }
};

// B' d B of eight channels; the 16 results lie `step` apart.
inline void transform_tile(const Vector* d, float* result, int64_t step) {
  Vector e[kPositions];
#pragma GCC unroll 4
  for (int column = 0; column < 4; column++) {
    e[column] = d[column] - d[8 + column];
    e[4 + column] = d[4 + column] + d[8 + column];
    e[8 + column] = d[8 + column] - d[4 + column];
    e[12 + column] = d[4 + column] - d[12 + column];
  }
#pragma GCC unroll 4
  for (int row = 0; row < 4; row++) {
    const Vector* r = e + 4 * row;
    float* to = result + 4 * row * step;
    store(to, r[0] - r[2]);
    store(to + step, r[1] + r[2]);
    store(to + 2 * step, r[2] - r[1]);
    store(to + 3 * step, r[1] - r[3]);
  }
}

// Rows a (R of them, `row_step` apart) times a panel b of 16 columns.
template <int R>
inline void multiply_rows(const float* a, int64_t row_step, const float* b, int64_t depth, float* c, int64_t result_step) {
  Vector sum[R][2] = {};
#pragma GCC unroll 2
  for (int64_t k = 0; k < depth; k++) {
    const Vector left = load(b + kPanel * k), right = load(b + kPanel * k + kLanes);
#pragma GCC unroll 8
    for (int row = 0; row < R; row++) {
      const Vector value = broadcast(a[row * row_step + k]);
      sum[row][0] += value * left;
      sum[row][1] += value * right;
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < R; row++) {
    store(c + row * result_step, sum[row][0]);
    store(c + row * result_step + kLanes, sum[row][1]);
  }
}

inline void multiply(const float* a, int64_t row_step, int64_t rows, const float* b, int64_t depth, float* c,
                     int64_t result_step) {
  int64_t row = 0;
  for (; row + 6 <= rows; row += 6)
    multiply_rows<6>(a + row * row_step, row_step, b, depth, c + row * result_step, result_step);
  for (; row + 2 <= rows; row += 2)
    multiply_rows<2>(a + row * row_step, row_step, b, depth, c + row * result_step, result_step);
  for (; row < rows; row++)
    multiply_rows<1>(a + row * row_step, row_step, b, depth, c + row * result_step, result_step);
}

// One block of tiles. `C` is the number of channels on both sides where the compiler may know it, else 0.
template <int C>
struct Block {
  const Winograd& task;
  const int64_t inputs = C ? C : task.inputs, outputs = C ? C : task.outputs;
  const int64_t rows = (task.height + 1) / 2, columns = (task.width + 1) / 2;
  // A little more than the values, so that tiles do not fall on the same lines of the cache.
  const int64_t input_step = kPositions * inputs + kPanel, output_step = kPositions * outputs + kPanel;

  void run(int64_t first, int64_t count, float* scratch) const {
    const float* zeros = scratch;
    float* transformed = scratch + inputs;
    float* products = transformed + kTiles * input_step;
    Place place = Place::of(first, rows, columns);
    for (int64_t tile = 0; tile < count; tile++, place.advance(rows, columns))
      transform_input(place, zeros, transformed + tile * input_step);
    const float* panel = task.weights;
    for (int64_t position = 0; position < kPositions; position++)
      for (int64_t column = 0; column < outputs; column += kPanel, panel += kPanel * inputs)
        multiply(transformed + position * inputs, input_step, count, panel, inputs,
                 products + position * outputs + column, output_step);
    place = Place::of(first, rows, columns);
    for (int64_t tile = 0; tile < count; tile++, place.advance(rows, columns))
      transform_output(place, products + tile * output_step);
  }

  void transform_input(const Place& place, const float* zeros, float* result) const {
    const int64_t top = 2 * place.row - 1, left = 2 * place.column - 1;
    const float* pixels[kPositions];
#pragma GCC unroll 4
    for (int row = 0; row < 4; row++)
#pragma GCC unroll 4
      for (int column = 0; column < 4; column++) {
        const int64_t y = top + row, x = left + column;
        const bool inside = y >= 0 && y < task.height && x >= 0 && x < task.width;
        pixels[4 * row + column] =
            inside ? task.input + ((place.image * task.height + y) * task.width + x) * inputs : zeros;
      }
    for (int64_t channel = 0; channel < inputs; channel += kLanes) {
      Vector d[kPositions];
#pragma GCC unroll 16
      for (int i = 0; i < kPositions; i++) d[i] = load(pixels[i] + channel);
      transform_tile(d, result + channel, inputs);
    }
  }

  // A' m A, then what comes after the convolution.
  void transform_output(const Place& place, const float* products) const {
    const bool below = 2 * place.row + 1 < task.height, right = 2 * place.column + 1 < task.width;
    const int64_t pixel = ((place.image * task.height + 2 * place.row) * task.width + 2 * place.column) * outputs;
    const int64_t line = task.width * outputs;
    for (int64_t channel = 0; channel < outputs; channel += kLanes) {
      Vector upper[4], lower[4];
#pragma GCC unroll 4
      for (int column = 0; column < 4; column++) {
        const float* at = products + column * outputs + channel;
        const Vector second = load(at + 4 * outputs), third = load(at + 8 * outputs);
        upper[column] = load(at) + second + third;
        lower[column] = second - third - load(at + 12 * outputs);
      }
      const int64_t at = pixel + channel;
      finish(at, channel, upper[0] + upper[1] + upper[2]);
      if (right) finish(at + outputs, channel, upper[1] - upper[2] - upper[3]);
      if (below) finish(at + line, channel, lower[0] + lower[1] + lower[2]);
      if (below && right) finish(at + line + outputs, channel, lower[1] - lower[2] - lower[3]);
    }
  }

  // Comparisons are such that NaN stays.
  inline void finish(int64_t at, int64_t channel, Vector value) const {
    if (task.bias) value += load(task.bias + channel);
    if (task.addend) value += load(task.addend + at);
    if (task.rectify) value = value < Vector{} ? Vector{} : value;
    if (task.mask) value = load(task.mask + at) > Vector{} ? value : Vector{};
    store(task.output + at, value);
  }
};

template <int C>
void run_blocks(const Winograd& task, int64_t first, int64_t last, float* scratch) {
  const Block<C> block{task};
  for (int64_t channel = 0; channel < task.inputs; channel++) scratch[channel] = 0;
  const int64_t tiles = task.images * block.rows * block.columns;
  for (int64_t index = first; index < last; index++) {
    const int64_t start = index * kTiles, left = tiles - start;
    block.run(start, left < kTiles ? left : kTiles, scratch);
  }
}

}  // namespace

int64_t Winograd::block_count() const {
  return (images * ((height + 1) / 2) * ((width + 1) / 2) + kTiles - 1) / kTiles;
}

int64_t Winograd::scratch_size() const { return inputs + kTiles * (kPositions * (inputs + outputs) + 2 * kPanel); }

void Winograd::run(int64_t first, int64_t last, float* scratch) const {
  switch (inputs == outputs ? inputs : 0) {
    case 16: return run_blocks<16>(*this, first, last, scratch);
    case 32: return run_blocks<32>(*this, first, last, scratch);
    case 64: return run_blocks<64>(*this, first, last, scratch);
    default: return run_blocks<0>(*this, first, last, scratch);
  }
}

bool winograd_takes(int64_t inputs, int64_t outputs) { return inputs % kLanes == 0 && outputs % kPanel == 0; }

void pack_winograd(const float* weight, int64_t outputs, int64_t inputs, float* packed) {
  constexpr double G[4][3] = {{1, 0, 0}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}};
  for (int64_t filter = 0; filter < outputs * inputs; filter++) {
    const int64_t output = filter / inputs, input = filter % inputs;
    const float* g = weight + filter * 9;
    for (int64_t position = 0; position < kPositions; position++) {
      double sum = 0;
      for (int tap = 0; tap < 9; tap++) sum += G[position / 4][tap / 3] * G[position % 4][tap % 3] * g[tap];
      const int64_t panel = position * (outputs / kPanel) + output / kPanel;
      packed[(panel * inputs + input) * kPanel + output % kPanel] = static_cast<float>(sum);
    }
  }
}

}  // namespace unlearnd
