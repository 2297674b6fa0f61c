#pragma once
// The faults of a running Homeostat, through its API: for experiments that run in another process.

#include <string>

#include "chaos/faults.h"
#include "io/http.h"

namespace hs::chaos {

// Thread-safe. Blocking calls, a few seconds at most each.
class RemoteFaults final : public FaultControl {
 public:
  // `http` outlives it. `token` is the operator's.
  RemoteFaults(io::Http& http, io::Endpoint server, std::string token)
      : http_(http), server_(std::move(server)), token_(std::move(token)) {}

  Result<std::string> inject(const Fault& fault) override;
  Status clear(std::string_view id) override;
  Result<json::Json> clear_all();
  Result<json::Json> list();  // GET /v1/chaos/faults
  // What is declared there; an error (with what to set) when chaos is off.
  Result<std::vector<config::Proxy>> proxies();

 private:
  Result<json::Json> call(std::string_view method, std::string target, std::string_view body);

  io::Http& http_;
  const io::Endpoint server_;
  const std::string token_;
};

}  // namespace hs::chaos
