#include "chaos/jsonpath.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace hs::chaos {
namespace {

using json::Json;
using Matches = std::vector<const Json*>;

constexpr size_t path_bytes_max = 1'000;

tl::unexpected<Error> bad(std::string_view path, std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("the JSONPath \"{}\": {}", path, why));
}

void add(Matches& out, const Json& match) {
  if (out.size() < JsonPath::matches_max) out.push_back(&match);
}

struct Take {
  const Json& from;
  Matches& out;
  void operator()(const std::string& name) const {
    if (const Json* member = json::find(from, name)) add(out, *member);
  }
  void operator()(int64_t index) const {
    if (!from.is_array()) return;
    const auto size = static_cast<int64_t>(from.size());
    const int64_t at = index < 0 ? size + index : index;
    if (at >= 0 && at < size) add(out, from[static_cast<size_t>(at)]);
  }
  void operator()(auto) const {
    if (from.is_structured())
      for (const Json& child : from) add(out, child);
  }
};

}  // namespace

Result<JsonPath> JsonPath::parse(std::string_view path) {
  JsonPath out;
  if (path.size() > path_bytes_max) return bad(path.substr(0, 40), "it is too long");
  std::string_view left = path;
  if (left.starts_with('$'))
    left.remove_prefix(1);
  else if (!left.starts_with('.') && !left.starts_with('['))
    return bad(path, "it starts with $");
  while (!left.empty()) {
    if (left.starts_with("..")) return bad(path, "recursive descent (..) is not supported");
    if (left.front() == '.') {
      left.remove_prefix(1);
      const size_t end = std::min(left.find_first_of(".["), left.size());
      const std::string_view name = left.substr(0, end);
      if (name.empty()) return bad(path, "a name is missing after \".\"");
      if (name == "*")
        out.steps_.emplace_back(All{});
      else
        out.steps_.emplace_back(std::string(name));
      left.remove_prefix(end);
      continue;
    }
    if (left.front() != '[') return bad(path, "after a step stands \".\" or \"[\"");
    const bool quoted = left.size() > 1 && (left[1] == '\'' || left[1] == '"');
    const size_t close = quoted ? left.find(std::string{left[1], ']'}, 2) : left.find(']');
    if (close == std::string_view::npos) return bad(path, "\"[\" without \"]\"");
    const std::string_view inner = quoted ? left.substr(2, close - 2) : left.substr(1, close - 1);
    left.remove_prefix(close + (quoted ? 2 : 1));
    int64_t index = 0;
    const auto [end, error] = std::from_chars(inner.data(), inner.data() + inner.size(), index);
    if (quoted)
      out.steps_.emplace_back(std::string(inner));
    else if (inner == "*")
      out.steps_.emplace_back(All{});
    else if (error == std::errc() && end == inner.data() + inner.size())
      out.steps_.emplace_back(index);
    else
      return bad(path, "inside [] stands a number, * or a quoted name (no filters, no slices)");
  }
  return out;
}

std::vector<const Json*> JsonPath::find(const Json& document) const {
  Matches now = {&document};
  for (const Step& step : steps_) {
    Matches next;
    for (const Json* from : now) std::visit(Take{*from, next}, step);
    now = std::move(next);
  }
  return now;
}

}  // namespace hs::chaos
