#include "net/router.h"

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "base/assert.h"

namespace hs::net {

using Params = std::vector<std::pair<std::string, std::string>>;

struct Router::Node {
  struct Leaf {
    std::vector<std::string> names;                // of the pattern's parameters, in order
    std::map<std::string, http::Handler> methods;  // by method
  };
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literal;
  std::unique_ptr<Node> any;  // {name}
  std::optional<Leaf> here;
  std::optional<Leaf> rest;  // {name...}

  void add(std::string_view left, std::vector<std::string> names, http::Route route);
  const Leaf* find(std::string_view left, std::vector<std::string>& values) const;
};

namespace {

// "/a/b/c" -> "a" and "/b/c"; "/a" -> "a" and nothing.
std::pair<std::string_view, std::string_view> first_segment(std::string_view path) {
  path.remove_prefix(1);
  const size_t slash = std::min(path.find('/'), path.size());
  return {path.substr(0, slash), path.substr(slash)};
}

void set_leaf(auto& leaf, std::vector<std::string> names, http::Route route) {
  if (!leaf) leaf.emplace();
  leaf->names = std::move(names);
  const bool fresh = leaf->methods.emplace(route.method, std::move(route.handler)).second;
  HS_ASSERT(fresh, fmt::format("two handlers for {} {}", route.method, route.pattern));
}

}  // namespace

void Router::Node::add(std::string_view left, std::vector<std::string> names, http::Route route) {
  if (left.empty()) return set_leaf(here, std::move(names), std::move(route));
  const auto [segment, after] = first_segment(left);
  if (!segment.starts_with('{')) {
    auto& child = literal[std::string(segment)];
    if (!child) child = std::make_unique<Node>();
    return child->add(after, std::move(names), std::move(route));
  }
  HS_ASSERT(segment.ends_with('}'), "a parameter is {name}");
  std::string_view name = segment.substr(1, segment.size() - 2);
  if (name.ends_with("...")) {
    HS_ASSERT(after.empty(), "{name...} is the last segment");
    names.emplace_back(name.substr(0, name.size() - 3));
    return set_leaf(rest, std::move(names), std::move(route));
  }
  names.emplace_back(name);
  if (!any) any = std::make_unique<Node>();
  any->add(after, std::move(names), std::move(route));
}

// Depth is the pattern's, not the path's: a hostile path cannot drive it.
const Router::Node::Leaf* Router::Node::find(std::string_view left, std::vector<std::string>& values) const {
  if (left.empty()) {
    if (here) return &*here;
    if (rest) values.emplace_back();
    return rest ? &*rest : nullptr;
  }
  const auto [segment, after] = first_segment(left);
  if (const auto child = literal.find(segment); child != literal.end())
    if (const Leaf* leaf = child->second->find(after, values)) return leaf;
  if (any && !segment.empty()) {
    const size_t kept = values.size();
    values.emplace_back(segment);
    if (const Leaf* leaf = any->find(after, values)) return leaf;
    values.resize(kept);
  }
  if (!rest) return nullptr;
  values.emplace_back(left.substr(1));
  return &*rest;
}

Router::Router(http::Routes routes) {
  auto root = std::make_shared<Node>();
  for (http::Route& route : routes) {
    HS_ASSERT(route.pattern.starts_with('/'), "a pattern starts with /");
    const std::string pattern = route.pattern;
    root->add(pattern, {}, std::move(route));
  }
  root_ = std::move(root);
}

void Router::operator()(http::Request request, const http::Done& done) const {
  std::vector<std::string> values;
  const auto* leaf = request.path.starts_with('/') ? root_->find(request.path, values) : nullptr;
  if (leaf == nullptr)
    return done(http::Response::error({Code::not_found, fmt::format("nothing is served at {}", request.path), 0}));
  auto method = leaf->methods.find(request.method);
  if (method == leaf->methods.end() && request.method == "HEAD") method = leaf->methods.find("GET");
  if (method == leaf->methods.end()) {
    std::string allow;
    for (const auto& [name, handler] : leaf->methods) allow += (allow.empty() ? "" : ", ") + name;
    auto refused = http::Response::error(
        {Code::method_not_allowed, fmt::format("{} takes {}, not {}", request.path, allow, request.method), 0});
    refused.headers.set("Allow", allow);
    return done(std::move(refused));
  }
  for (size_t i = 0; i < leaf->names.size(); ++i) request.params.emplace_back(leaf->names[i], std::move(values.at(i)));
  method->second(std::move(request), done);
}

}  // namespace hs::net
