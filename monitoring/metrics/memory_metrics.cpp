#include "monitoring/metrics/memory_metrics.h"

#include <c10/core/CachingDeviceAllocator.h>

#include "monitoring/memory/host_memory.h"
#include "monitoring/memory/resident_memory.h"

namespace sdlora::monitoring {
namespace {

void export_gpu_memory(MetricsRegistry& registry, c10::Device device) {
  Gauge allocated = registry.gauge("sdlora_gpu_memory_allocated_bytes",
                                   "Memory of this rank's GPU that tensors occupy; 0 on the CPU");
  Gauge limit = registry.gauge("sdlora_gpu_memory_limit_bytes", "Memory of this rank's GPU; 0 on the CPU");
  allocated.set(0);
  limit.set(0);
  if (!device.is_cuda()) return;
  c10::DeviceAllocator* allocator = c10::getDeviceAllocator(device.type());
  limit.set(static_cast<double>(allocator->getMemoryInfo(device.index()).second));
  registry.before_scrape([=]() mutable {
    constexpr auto kOfAllPools = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    allocated.set(
        static_cast<double>(allocator->getDeviceStats(device.index()).allocated_bytes[kOfAllPools].current));
  });
}

}  // namespace

void export_memory(MetricsRegistry& registry, c10::Device device) {
  Gauge resident = registry.gauge("sdlora_resident_memory_bytes",
                                  "Memory of this process that is resident, mapped files included");
  Gauge available = registry.gauge("sdlora_memory_available_bytes",
                                   "Memory that this host, or this container, still has to give");
  Gauge limit = registry.gauge("sdlora_memory_limit_bytes",
                               "Memory of this host, or what its container allows; 0 when unknown");
  registry.before_scrape([=]() mutable {
    const ResidentMemory mine = resident_memory();
    const HostMemory host = host_memory();
    resident.set(static_cast<double>(mine.private_bytes + mine.mapped_bytes));
    available.set(static_cast<double>(host.available_bytes));
    limit.set(static_cast<double>(host.limit_bytes));
  });
  export_gpu_memory(registry, device);
}

}  // namespace sdlora::monitoring
