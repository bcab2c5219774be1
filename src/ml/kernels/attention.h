// Attention in bf16 on a CPU with AVX512-BF16, see attention.cpp.
#pragma once
#include <cstdint>

namespace unlearnd {

// softmax(scale * Q K') V of each head; with `causal` a query sees the keys up to its own place. All tensors are bf16 as [row, token,
// head, size], the values of a head side by side; steps are in values.
struct Attention {
  int64_t rows, queries, keys, heads, key_heads, size;
  float scale;
  bool causal;
  const uint16_t* query;
  int64_t query_steps[3];  // of rows, tokens, heads
  const uint16_t* key;
  int64_t key_steps[3];
  const uint16_t* value;
  int64_t value_steps[3];
  uint16_t* output;  // dense

  int64_t pack_count() const;    // packs of keys and values
  int64_t packed_words() const;  // of all packs
  int64_t block_count() const;
  int64_t scratch_words() const;
  // Packs first..last; all must be there before a block is computed.
  void pack(int64_t first, int64_t last, uint32_t* packed) const;
  // Computes blocks first..last; different blocks may run on different threads, each with scratch memory of its own.
  void run(int64_t first, int64_t last, const uint32_t* packed, uint32_t* scratch) const;
};

// Whether this processor has what the kernel is made for.
bool attention_supported();

// Whether there is a kernel for heads of this size.
bool attention_takes(int64_t size);

}  // namespace unlearnd
