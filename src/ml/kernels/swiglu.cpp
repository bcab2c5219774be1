// SwiGLU (Shazeer 2020, without the products) in one pass each way; libtorch takes two operations and three for the gradient, and keeps
// a tensor between them.
//
// With s = sigmoid(gate) the gradients are g * gate * s for up and g * up * s * (1 + gate * (1 - s)) for gate.
#include "swiglu.h"

#include <bit>

#include "versions.h"

namespace unlearnd {
namespace {

// exp(x) for x in [-87, 87], other values taken for the nearest of these, to about an ulp: 2^n exp(r), with Cephes' polynomial for
// exp(r). Written out, because a call of the library would not become vector instructions.
inline __attribute__((always_inline)) float bounded_exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 87.0f ? 87.0f : x;
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: what is added to it loses its fraction
  const float rounded = x * 1.44269504f + kRounder, n = rounded - kRounder;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const int32_t power = std::bit_cast<int32_t>(rounded) - std::bit_cast<int32_t>(kRounder);
  return (p * r * r + r + 1.0f) * std::bit_cast<float>((power + 127) << 23);
}

inline __attribute__((always_inline)) float sigmoid(float x) { return 1.0f / (1.0f + bounded_exp(-x)); }

}  // namespace

UNLEARND_VERSIONS
void swiglu(const float* gate, const float* up, int64_t count, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) y[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

UNLEARND_VERSIONS
void swiglu_gradient(const float* gradient, const float* gate, const float* up, int64_t count, float* of_gate, float* of_up) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) {
    const float g = gradient[i], x = gate[i], s = sigmoid(x);
    of_up[i] = g * x * s;
    of_gate[i] = g * up[i] * s * (1.0f + x * (1.0f - s));
  }
}

}  // namespace unlearnd
