// Modes of the calling thread and of the process, and memory.
#include <malloc.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/Allocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include "guard.h"

using namespace unlearnd;

thread_local std::string unlearnd::last_error;

namespace {

// Bytes of CPU tensors allocated by the thread under it (and by those that libtorch hands the thread's state to) and not yet freed.
class AllocationMeter final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device device) override {
    if (!device.is_cpu()) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    live_ += size;
    peak_ = std::max(peak_, live_);
  }

  void reportOutOfMemory(int64_t, size_t, size_t, c10::Device) override {}

  bool memoryProfilingEnabled() const override { return true; }

  uint64_t peak() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return static_cast<uint64_t>(peak_);
  }

 private:
  std::mutex mutex_;
  int64_t live_ = 0;
  int64_t peak_ = 0;
};

struct RunningMeter {
  std::shared_ptr<AllocationMeter> meter = std::make_shared<AllocationMeter>();
  c10::DebugInfoGuard guard{c10::DebugInfoKind::PROFILER_STATE, meter};
};

thread_local std::unique_ptr<RunningMeter> running_meter;

}  // namespace

extern "C" {

const char* unlearnd_last_error() { return last_error.c_str(); }

int unlearnd_autocast_get(int device) {
  return at::autocast::is_autocast_enabled(device_of(device).type()) ? 1 : 0;
}

int unlearnd_autocast_set(int device, int enabled) {
  return guarded([&] {
    const auto type = device_of(device).type();
    if (enabled) at::autocast::set_autocast_dtype(type, at::kBFloat16);
    at::autocast::set_autocast_enabled(type, enabled != 0);
  });
}

void unlearnd_autocast_nest(int enter) {
  if (enter) {
    at::autocast::increment_nesting();
  } else if (at::autocast::decrement_nesting() == 0) {
    at::autocast::clear_cache();
  }
}

// Whether this CPU multiplies bf16 in hardware (or has what oneDNN needs to do it fast).
int unlearnd_cpu_has_bf16() {
  static const auto supported = c10::Dispatcher::singleton().findSchema({"mkldnn::_is_mkldnn_bf16_supported", ""});
  bool has = false;
  guarded([&] { has = supported && supported->typed<bool()>().call(); });
  return has ? 1 : 0;
}

int unlearnd_set_matmul_precision(const char* precision) {
  return guarded([&] { at::globalContext().setFloat32MatmulPrecision(precision); });
}

int unlearnd_set_deterministic(int on) {
  return guarded([&] {
    at::globalContext().setDeterministicCuDNN(on != 0);
    at::globalContext().setBenchmarkCuDNN(on == 0);
  });
}

// ---- memory

void unlearnd_trim_memory() { malloc_trim(0); }

void unlearnd_keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most glibc allows
  mallopt(M_TOP_PAD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

// Fills free, total, allocated, reserved and peak bytes of a CUDA device.
int unlearnd_device_memory(int device, uint64_t* values) {
  return guarded([&] {
    TORCH_CHECK(at::hasCUDA(), "libtorch was built without CUDA");
    at::globalContext().lazyInitDevice(at::kCUDA);
    auto* allocator = c10::getDeviceAllocator(at::kCUDA);
    const auto index = static_cast<c10::DeviceIndex>(device);
    const auto memory = allocator->getMemoryInfo(index);
    const auto stats = allocator->getDeviceStats(index);
    constexpr auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    values[0] = memory.first;
    values[1] = memory.second;
    values[2] = stats.allocated_bytes[all].current;
    values[3] = stats.reserved_bytes[all].current;
    values[4] = stats.allocated_bytes[all].peak;
  });
}

int unlearnd_device_empty_cache() {
  return guarded([&] {
    if (at::hasCUDA()) c10::getDeviceAllocator(at::kCUDA)->emptyCache();
  });
}

int unlearnd_device_reset_peak(int device) {
  return guarded([&] {
    TORCH_CHECK(at::hasCUDA(), "libtorch was built without CUDA");
    c10::getDeviceAllocator(at::kCUDA)->resetPeakStats(static_cast<c10::DeviceIndex>(device));
  });
}

// Begins to count the allocations of CPU tensors by this thread; one count at a time.
int unlearnd_meter_start() {
  return guarded([&] {
    TORCH_CHECK(!running_meter, "a measurement is under way on this thread");
    running_meter = std::make_unique<RunningMeter>();
  });
}

uint64_t unlearnd_meter_peak() { return running_meter ? running_meter->meter->peak() : 0; }

void unlearnd_meter_stop() { running_meter.reset(); }

}  // extern "C"
