#include "net/grpc_status.h"

#include <protozero/pbf_writer.hpp>

namespace hs::net {
namespace {

// google.protobuf.Duration{seconds=1, nanos=2} in google.rpc.RetryInfo{retry_delay=1}.
std::string retry_info(int64_t retry_after_ms) {
  std::string duration;
  protozero::pbf_writer delay(duration);
  delay.add_int64(1, retry_after_ms / 1000);
  delay.add_int32(2, static_cast<int32_t>(retry_after_ms % 1000 * 1'000'000));
  std::string out;
  protozero::pbf_writer(out).add_message(1, duration);
  return out;
}

}  // namespace

std::string status_details(const Error& error) {
  std::string out;
  protozero::pbf_writer status(out);  // google.rpc.Status{code=1, message=2, details=3 repeated Any}
  status.add_int32(1, grpc_status(error.code));
  status.add_string(2, error.message);
  if (error.retry_after_ms > 0) {
    protozero::pbf_writer any(status, 3);  // google.protobuf.Any{type_url=1, value=2}
    any.add_string(1, "type.googleapis.com/google.rpc.RetryInfo");
    any.add_bytes(2, retry_info(error.retry_after_ms));
  }
  return out;
}

}  // namespace hs::net
