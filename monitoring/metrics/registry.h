// The metrics of one process: typed handles by which the program changes them, and what an endpoint serves.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace prometheus {
class Collectable;
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace sdlora::monitoring {

using Labels = std::map<std::string, std::string>;

// Handles are copied freely and used from any thread, while the registry lives.
class Gauge {
 public:
  explicit Gauge(prometheus::Gauge& gauge) : gauge_(&gauge) {}

  void set(double value);
  void set_to(std::chrono::system_clock::time_point moment);  // seconds since 1970

  void set_to_now() { set_to(std::chrono::system_clock::now()); }

 private:
  prometheus::Gauge* gauge_;
};

class Counter {
 public:
  explicit Counter(prometheus::Counter& counter) : counter_(&counter) {}

  void add(double amount = 1);

 private:
  prometheus::Counter* counter_;
};

class Histogram {
 public:
  explicit Histogram(prometheus::Histogram& histogram) : histogram_(&histogram) {}

  // Leaves out what is not finite: a single NaN would make the sum NaN for good.
  void observe(double value);

 private:
  prometheus::Histogram* histogram_;
};

// Names and help texts are those of monitoring/README.md. Asked twice for the same name and labels, it gives
// handles to the same series.
class MetricsRegistry {
 public:
  MetricsRegistry();

  Gauge gauge(const char* name, const char* help, const Labels& labels = {});  // NaN until it is set
  Counter counter(const char* name, const char* help,
                  const Labels& labels = {});  // from 0, as rate() expects
  Histogram histogram_of_seconds(const char* name, const char* help,
                                 const Labels& labels = {});  // 1 ms … 250 s

  // Called in a thread of the endpoint whenever somebody looks, for what is cheaper to ask for than to keep
  // up.
  void before_scrape(std::function<void()> refresh);

  std::shared_ptr<prometheus::Collectable> collectable() const;

 private:
  class Collection;
  std::shared_ptr<Collection> collection_;
};

}  // namespace sdlora::monitoring
