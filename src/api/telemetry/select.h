#pragma once
// A query of constant pieces and bound values. A piece can only be a literal of this program: the compiler sees to it
// that nothing a caller sent becomes part of a query's text.

#include <span>
#include <string>
#include <string_view>

#include "api/telemetry/params.h"
#include "store/client.h"

namespace hs::api::telemetry {

struct Literal {
  std::string_view text;
  consteval Literal(const char* literal) : text(literal) {}
};

class Select {
 public:
  Select& add(Literal piece) {
    sql_ += piece.text;
    return *this;
  }
  Select& bind(Literal name, std::string_view value);
  Select& bind(Literal name, int64_t value) { return bind_raw(name, std::to_string(value)); }
  Select& bind(Literal name, uint64_t value) { return bind_raw(name, std::to_string(value)); }
  Select& bind(Literal name, std::span<const std::string> values);  // Array(String)
  Select& bind(Literal name, std::span<const uint64_t> values);     // Array(UInt64)

  // Conditions that start with " AND ". `ts` in [start, end], of the tenant that Reader::run binds.
  Select& within(UnixNanos start, UnixNanos end);
  // Attributes of the row have these values; those of its resource.
  Select& match_attributes(const Matches& matches);
  Select& match_resource(const Matches& matches);

  // Valid as long as this lives and is not changed.
  store::Query query(std::stop_token gone) const;

 private:
  Select& bind_raw(Literal name, std::string value);
  std::string sql_;
  std::vector<std::pair<std::string, std::string>> params_;
};

}  // namespace hs::api::telemetry
