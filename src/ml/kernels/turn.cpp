// Rotary positions (Su et al. 2021, equation 34) in one pass; libtorch takes three operations, and four for the gradient, which is the
// turn back.
#include "turn.h"

#include "versions.h"

namespace unlearnd {

UNLEARND_VERSIONS
void turn(const float* x, int64_t stride, int64_t heads, int64_t half, const float* cosines, const float* sines, float direction,
          float* y) {
  for (int64_t head = 0; head < heads; head++, x += stride, y += 2 * half) {
#pragma omp simd
    for (int64_t i = 0; i < half; i++) {
      const float sine = direction * sines[i];
      y[i] = x[i] * cosines[i] - x[i + half] * sine;
      y[i + half] = x[i + half] * cosines[i] + x[i] * sine;
    }
  }
}

}  // namespace unlearnd
