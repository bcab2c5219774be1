// Winograd's minimal filtering F(2x2, 3x3) for convolutions on a CPU with AVX2, see winograd.cpp.
#pragma once
#include <cstdint>

namespace unlearnd {

// relu?((convolution + bias + addend) where mask > 0), 3x3, stride 1, padding 1. All images are f32 with channels innermost;
// bias, addend and mask may be null. `output` may be `mask` itself, but neither `input` nor `addend`.
struct Winograd {
  int64_t images, height, width, inputs, outputs;
  const float* input;
  const float* weights;  // of pack_winograd
  const float* bias;
  const float* addend;
  const float* mask;
  bool rectify;
  float* output;

  int64_t block_count() const;
  int64_t scratch_size() const;  // floats
  // Computes blocks first..last; different blocks may run on different threads, each with scratch memory of its own.
  void run(int64_t first, int64_t last, float* scratch) const;
};

// Whether there is a kernel for this many channels.
bool winograd_takes(int64_t inputs, int64_t outputs);

// Weights [outputs, inputs, 3, 3] as the kernel reads them: 16 * outputs * inputs floats.
void pack_winograd(const float* weight, int64_t outputs, int64_t inputs, float* packed);

}  // namespace unlearnd
