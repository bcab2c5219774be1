// Attention in bf16 as in FlashAttention (Dao et al. 2022, algorithm 1), with products of pairs (VDPBF16PS) that are summed in f32.
// libtorch leaves these products to MKL, which computes them in f32 on processors that are not Intel's: 512 tokens in 9 heads of 64
// took 4.3 ms on two cores of a Zen 4, and take 1.2 ms.
//
// A block is some queries of one head. It goes through the keys a panel at a time: scores, their exponentials against the largest so
// far, and what they draw from the values; all three stay in the first two levels of cache. Keys are packed with the words of a pair of
// values transposed, values with those of a pair of tokens side by side, once for all heads that share them. Compiled for AVX-512,
// hence without any header whose inline functions other files share.
#include "attention.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

namespace unlearnd {
namespace {

// A word is two values of bf16. Tiles have six rows and up to four vectors of columns, which fill the registers.
constexpr int64_t kLanes = 16, kTile = 6, kQueries = 8 * kTile, kPanel = 128, kMostSize = 256;
constexpr float kNothing = -__builtin_inff();

inline int64_t less(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t whole(int64_t count, int64_t step) { return (count + step - 1) / step * step; }

// c (+)= a b for a tile: `depth` words of each row of a, rows of b.
template <int kColumns, bool kAdds>
inline void tile(const uint32_t* a, int64_t a_step, const uint32_t* b, int64_t b_step, int64_t depth, float* c, int64_t c_step) {
  __m512 sums[kTile][kColumns];
  for (int row = 0; row < kTile; row++) {
    for (int column = 0; column < kColumns; column++) {
      sums[row][column] = kAdds ? _mm512_loadu_ps(c + row * c_step + kLanes * column) : _mm512_setzero_ps();
    }
  }
  for (int64_t at = 0; at < depth; at++) {
    __m512bh right[kColumns];
    for (int column = 0; column < kColumns; column++) {
      right[column] = (__m512bh)_mm512_loadu_si512(b + at * b_step + kLanes * column);
    }
    for (int row = 0; row < kTile; row++) {
      const auto left = (__m512bh)_mm512_set1_epi32(static_cast<int>(a[row * a_step + at]));
      for (int column = 0; column < kColumns; column++) {
        sums[row][column] = _mm512_dpbf16_ps(sums[row][column], left, right[column]);
      }
    }
  }
  for (int row = 0; row < kTile; row++) {
    for (int column = 0; column < kColumns; column++) {
      _mm512_storeu_ps(c + row * c_step + kLanes * column, sums[row][column]);
    }
  }
}

// c (+)= a b; rows are whole tiles and columns whole vectors.
template <bool kAdds>
inline void product(const uint32_t* a, int64_t a_step, const uint32_t* b, int64_t b_step, int64_t rows, int64_t depth,
                    int64_t columns, float* c, int64_t c_step) {
  for (int64_t column = 0, width; column < columns; column += width) {
    const auto left = columns - column;
    width = left >= 4 * kLanes ? 4 * kLanes : left >= 2 * kLanes ? 2 * kLanes : kLanes;
    const auto of = width == 4 * kLanes ? tile<4, kAdds> : width == 2 * kLanes ? tile<2, kAdds> : tile<1, kAdds>;
    for (int64_t row = 0; row < rows; row += kTile) {
      of(a + row * a_step, a_step, b + column, b_step, depth, c + row * c_step + column, c_step);
    }
  }
}

// exp(x), x taken for the nearest in [-87, 87], to about an ulp; see swiglu.cpp. What is no number stays none.
inline __m512 exponential(__m512 x) {
  x = _mm512_min_ps(_mm512_set1_ps(87.0f), _mm512_max_ps(_mm512_set1_ps(-87.0f), x));
  const __m512 rounder = _mm512_set1_ps(12582912.0f);
  const __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(1.44269504f), rounder), rounder);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fmadd_ps(n, _mm512_set1_ps(2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.9875691500e-4f);
  constexpr float others[] = {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
  for (const float next : others) {
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(next));
  }
  p = _mm512_fmadd_ps(_mm512_mul_ps(p, r), r, _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
  return _mm512_scalef_ps(p, n);
}

// The softmax of a row as far as it is known.
struct Row {
  float top = kNothing, sum = 0;

  // Scores of further keys, of which the first `seen` count, to their shares; what was drawn before is scaled down.
  void take(float* scores, int64_t count, int64_t seen, float scale, uint16_t* shares, float* drawn, int64_t size) {
    for (auto at = seen; at < count; at++) scores[at] = kNothing;
    __m512 largest = _mm512_set1_ps(kNothing);
    for (int64_t at = 0; at < count; at += kLanes) largest = _mm512_max_ps(largest, _mm512_loadu_ps(scores + at));
    const float highest = scale * _mm512_reduce_max_ps(largest);
    if (highest > top) rise(highest, drawn, size);
    __m512 total = _mm512_setzero_ps();
    for (int64_t at = 0; at < count; at += kLanes) {
      const auto gap = _mm512_fmsub_ps(_mm512_loadu_ps(scores + at), _mm512_set1_ps(scale), _mm512_set1_ps(top));
      const auto kept = seen - at >= kLanes ? 0xffff : seen > at ? (1 << (seen - at)) - 1 : 0;
      const auto share = _mm512_maskz_mov_ps(static_cast<__mmask16>(kept), exponential(gap));
      total = _mm512_add_ps(total, share);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(shares + at), (__m256i)_mm512_cvtneps_pbh(share));
    }
    sum += _mm512_reduce_add_ps(total);
  }

  void rise(float highest, float* drawn, int64_t size) {
    const auto fade = exponential(_mm512_set1_ps(top - highest));
    sum *= _mm512_cvtss_f32(fade);
    for (int64_t at = 0; at < size; at += kLanes) {
      _mm512_storeu_ps(drawn + at, _mm512_mul_ps(fade, _mm512_loadu_ps(drawn + at)));
    }
    top = highest;
  }

  void write(const float* drawn, int64_t size, uint16_t* output) const {
    const auto part = _mm512_set1_ps(1.0f / sum);
    for (int64_t at = 0; at < size; at += kLanes) {
      const auto values = _mm512_cvtneps_pbh(_mm512_mul_ps(part, _mm512_loadu_ps(drawn + at)));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(output + at), (__m256i)values);
    }
  }
};

}  // namespace

bool attention_supported() {
  static const bool has = __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl");
  return has;
}

bool attention_takes(int64_t size) { return size > 0 && size % kLanes == 0 && size <= kMostSize; }

int64_t Attention::pack_count() const { return rows * key_heads; }

// Keys `[size / 2, keys]`, then values `[keys / 2, size]`.
static int64_t words_of(int64_t keys, int64_t size) { return size / 2 * whole(keys, kLanes) + whole(keys, 2) / 2 * size; }

int64_t Attention::packed_words() const { return pack_count() * words_of(keys, size); }

int64_t Attention::block_count() const { return rows * heads * (whole(queries, kQueries) / kQueries); }

int64_t Attention::scratch_words() const { return kQueries * (size / 2 + kPanel / 2 + kPanel + size); }

void Attention::pack(int64_t first, int64_t last, uint32_t* packed) const {
  const auto width = whole(keys, kLanes);
  for (auto index = first; index < last; index++) {
    const auto row = index / key_heads, head = index % key_heads;
    const auto* from = key + row * key_steps[0] + head * key_steps[2];
    auto* to = packed + index * words_of(keys, size);
    for (int64_t panel = 0; panel < width; panel += kLanes) {
      for (int64_t pair = 0; pair < size / 2; pair++) {
        auto* words = to + pair * width + panel;
        memset(words, 0, kLanes * sizeof(uint32_t));
        const auto* values = from + panel * key_steps[1] + 2 * pair;
        const auto count = less(kLanes, keys - panel);
        for (int64_t token = 0; token < count; token++) memcpy(words + token, values + token * key_steps[1], sizeof(uint32_t));
      }
    }
    from = value + row * value_steps[0] + head * value_steps[2];
    to += size / 2 * width;
    for (int64_t token = 0; token < keys; token += 2, to += size) {
      const auto *low = from + token * value_steps[1], *high = low + value_steps[1];
      for (int64_t at = 0; at < size; at++) to[at] = low[at];
      if (token + 1 == keys) continue;
      for (int64_t at = 0; at < size; at++) to[at] |= static_cast<uint32_t>(high[at]) << 16;
    }
  }
}

void Attention::run(int64_t first, int64_t last, const uint32_t* packed, uint32_t* scratch) const {
  const auto blocks = whole(queries, kQueries) / kQueries, width = whole(keys, kLanes);
  auto* own = scratch;
  auto* shares = own + kQueries * size / 2;
  auto* scores = reinterpret_cast<float*>(shares + kQueries * kPanel / 2);
  auto* drawn = scores + kQueries * kPanel;
  for (auto index = first; index < last; index++) {
    // Long and short blocks take turns, so that neighbours take threads equally long.
    const auto order = index % blocks, block = order % 2 ? blocks - 1 - order / 2 : order / 2;
    const auto row = index / blocks / heads, head = index / blocks % heads;
    const auto start = block * kQueries, count = less(kQueries, queries - start), tiled = whole(count, kTile);
    const auto* its_keys = packed + (row * key_heads + head / (heads / key_heads)) * words_of(keys, size);
    const auto* its_values = its_keys + size / 2 * width;
    memset(own, 0, kQueries * size / 2 * sizeof(uint32_t));
    memset(drawn, 0, kQueries * size * sizeof(float));
    for (int64_t at = 0; at < count; at++) {
      const auto* from = query + row * query_steps[0] + (start + at) * query_steps[1] + head * query_steps[2];
      memcpy(own + at * size / 2, from, size * sizeof(uint16_t));
    }
    Row softmax[kQueries];
    const auto end = causal ? less(keys, start + count) : keys;
    for (int64_t panel = 0; panel < end; panel += kPanel) {
      const auto some = less(kPanel, end - panel), columns = whole(some, kLanes);
      product<false>(own, size / 2, its_keys + panel, width, tiled, size / 2, columns, scores, kPanel);
      for (int64_t at = 0; at < count; at++) {
        const auto before = start + at - panel + 1, seen = causal ? less(some, before < 0 ? 0 : before) : some;
        softmax[at].take(scores + at * kPanel, columns, seen, scale, reinterpret_cast<uint16_t*>(shares + at * kPanel / 2),
                         drawn + at * size, size);
      }
      product<true>(shares, kPanel / 2, its_values + panel / 2 * size, size, tiled, whole(some, 2) / 2, size, drawn, size);
    }
    for (int64_t at = 0; at < count; at++) {
      softmax[at].write(drawn + at * size, size, output + ((row * queries + start + at) * heads + head) * size);
    }
  }
}

}  // namespace unlearnd
#else
namespace unlearnd {
bool attention_supported() { return false; }
bool attention_takes(int64_t) { return false; }
int64_t Attention::pack_count() const { return 0; }
int64_t Attention::packed_words() const { return 0; }
int64_t Attention::block_count() const { return 0; }
int64_t Attention::scratch_words() const { return 0; }
void Attention::pack(int64_t, int64_t, uint32_t*) const {}
void Attention::run(int64_t, int64_t, const uint32_t*, uint32_t*) const {}
}  // namespace unlearnd
#endif
