#pragma once
// Errors as gRPC says them.

#include <string>

#include "base/error.h"

namespace hs::net {

// google.rpc.Status bytes for the trailer grpc-status-details-bin; with RetryInfo when the error has a retry_after_ms.
std::string status_details(const Error& error);

}  // namespace hs::net
