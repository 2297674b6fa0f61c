#include "api/console/console.h"

#include <fmt/format.h>

#include "base/text.h"
#include "console_files.h"
#include "security/crypto.h"

namespace hs::api::console {
namespace {

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const size_t at = text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

std::string hash_of(std::string_view code) {
  return fmt::format("'sha256-{}'", to_base64(security::view(security::sha256(code))));
}

}  // namespace

std::string page() {
  return replaced(replaced(std::string(console_html), "{{style}}", console_css), "{{script}}", console_js);
}

std::string content_security_policy() {
  return fmt::format(
      "default-src 'none'; script-src {}; style-src {}; img-src data:; connect-src 'self'; base-uri 'none'; "
      "form-action 'none'; frame-ancestors 'none'",
      hash_of(console_js), hash_of(console_css));
}

http::Routes routes() {
  http::Response response = http::Response::html(200, page());
  response.headers.set("Content-Security-Policy", content_security_policy());
  response.headers.set("Referrer-Policy", "no-referrer");
  response.headers.set("Cache-Control", "no-cache");  // an upgrade must show at once
  return {{"GET", "/", http::answer([response = std::move(response)](const http::Request&) { return response; })}};
}

}  // namespace hs::api::console
