#pragma once
// Errors that are expected: values, never exceptions. Programmer errors assert (base/assert.h).

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace hs {

// What kind of failure it was. The set is closed on purpose: each code maps once to HTTP and to gRPC.
enum class Code : uint8_t {
  invalid_argument,    // the request is wrong; repeating it cannot help           400 / INVALID_ARGUMENT
  unauthenticated,     // no credential, or a wrong one                           401 / UNAUTHENTICATED
  permission_denied,   // a good credential that may not do this                  403 / PERMISSION_DENIED
  not_found,           //                                                         404 / NOT_FOUND
  method_not_allowed,  //                                                         405 / UNIMPLEMENTED
  conflict,            // the state has moved on; read again                      409 / ABORTED
  too_large,           // a stated size limit was passed                          413 / INVALID_ARGUMENT
  unsupported_media,   // content type or encoding not known here                 415 / INVALID_ARGUMENT
  resource_exhausted,  // a bound is reached; retry later                         429 / RESOURCE_EXHAUSTED
  unavailable,         // a part is down or full; retry later                     503 / UNAVAILABLE
  deadline_exceeded,   //                                                         504 / DEADLINE_EXCEEDED
  internal,            // our fault                                               500 / INTERNAL
};

// An expected failure. `message` says what happened, where, and what to set or do about it.
struct Error {
  Code code = Code::internal;
  std::string message;
  int64_t retry_after_ms = 0;  // > 0 with resource_exhausted and unavailable: when to try again
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> fail(Code code, std::string message, int64_t retry_after_ms = 0) {
  return tl::unexpected<Error>(Error{code, std::move(message), retry_after_ms});
}

// The one mapping to HTTP status codes.
int http_status(Code code);
// The one mapping to gRPC status codes (google.rpc.Code numbers).
int grpc_status(Code code);
// "invalid_argument" and so on, for logs and JSON.
std::string_view name_of(Code code);

}  // namespace hs

// Returns the error of `expr` from the enclosing function, if it has one.
#define HS_TRY(expr)                                                                                            \
  do {                                                                                                          \
    if (auto hs_try_status = (expr); !hs_try_status) return ::tl::unexpected(std::move(hs_try_status).error()); \
  } while (false)

// Declares `decl` from the value of `expr`, or returns its error: HS_ASSIGN(auto x, parse(s));
#define HS_ASSIGN_CAT2(a, b) a##b
#define HS_ASSIGN_CAT(a, b) HS_ASSIGN_CAT2(a, b)
#define HS_ASSIGN(decl, expr) HS_ASSIGN_IMPL(HS_ASSIGN_CAT(hs_assign_, __LINE__), decl, expr)
#define HS_ASSIGN_IMPL(tmp, decl, expr)                      \
  auto tmp = (expr);                                         \
  if (!tmp) return ::tl::unexpected(std::move(tmp).error()); \
  decl = std::move(*tmp)
