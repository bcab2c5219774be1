// A loop compiled for several kinds of processor: the linker's loader takes the version that this one can run.
#pragma once

#if defined(__x86_64__) && defined(__linux__)
#define UNLEARND_VERSIONS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define UNLEARND_VERSIONS
#endif
