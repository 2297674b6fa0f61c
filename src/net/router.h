#pragma once
// Which handler answers which path.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_message.h"

namespace hs::net {

// Immutable after construction, hence thread-safe. Wrong patterns and doubles are programmer errors (asserted).
class Router {
 public:
  explicit Router(http::Routes routes);
  // 404 and 405 (with Allow) are answered in JSON. Fills Request::params.
  void operator()(http::Request request, const http::Done& done) const;

 private:
  struct Node;
  std::shared_ptr<const Node> root_;  // shared by the copies that std::function makes
};

}  // namespace hs::net
