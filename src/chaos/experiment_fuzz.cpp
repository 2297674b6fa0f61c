// Any text as an experiment: no crash; and what is accepted holds its bounds.
#include <cstdlib>

#include "chaos/experiment.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hs::chaos;
  static const HostList hosts = *HostList::parse({"127.0.0.1:7000", "shop:80"});
  static const std::vector<hs::config::Proxy> proxies = {{"p", "127.0.0.1:1", "127.0.0.1:2", "http"}};
  const auto parsed = parse_experiment({reinterpret_cast<const char*>(data), size},
                                       {hosts, proxies, true, [](const std::string&) { return std::string("env"); }});
  if (!parsed) return 0;
  for (const auto* list : {&parsed->hypothesis, &parsed->method, &parsed->rollbacks, &parsed->guards}) {
    if (list->size() > activities_max) std::abort();
    for (const Activity& activity : *list) {
      if (activity.pause_before_ms > pause_max_ms || activity.pause_after_ms > pause_max_ms) std::abort();
      if (activity.tolerance) (void)activity.tolerance->meets(parsed->source);
      const auto* call = std::get_if<HttpCall>(&activity.provider);
      if (call != nullptr && !hosts.allows(call->url.endpoint)) std::abort();
      const auto* inject = std::get_if<InjectFault>(&activity.provider);
      if (inject != nullptr && (inject->fault.lease_ms > lease_max_ms || inject->fault.proxy != "p")) std::abort();
    }
  }
  return 0;
}
