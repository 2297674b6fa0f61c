#include "base/error.h"

#include <array>

namespace hs {
namespace {

struct Mapping {
  std::string_view name;
  int http;
  int grpc;
};

// In the order of Code.
constexpr std::array<Mapping, 12> mappings = {{
    {"invalid_argument", 400, 3},
    {"unauthenticated", 401, 16},
    {"permission_denied", 403, 7},
    {"not_found", 404, 5},
    {"method_not_allowed", 405, 12},
    {"conflict", 409, 10},
    {"too_large", 413, 3},
    {"unsupported_media", 415, 3},
    {"resource_exhausted", 429, 8},
    {"unavailable", 503, 14},
    {"deadline_exceeded", 504, 4},
    {"internal", 500, 13},
}};

const Mapping& mapping(Code code) { return mappings.at(static_cast<size_t>(code)); }

}  // namespace

int http_status(Code code) { return mapping(code).http; }
int grpc_status(Code code) { return mapping(code).grpc; }
std::string_view name_of(Code code) { return mapping(code).name; }

}  // namespace hs
