// Rotary positions on the heads of one token, on a CPU, see turn.cpp.
#pragma once
#include <cstdint>

namespace unlearnd {

// Each of `heads` rows of 2 * `half` values, `stride` apart: values i and i + half are turned by the angle of `cosines[i]` and
// `sines[i]`, forward for a direction of 1 and back for -1. `y` is dense.
void turn(const float* x, int64_t stride, int64_t heads, int64_t half, const float* cosines, const float* sines, float direction,
          float* y);

}  // namespace unlearnd
