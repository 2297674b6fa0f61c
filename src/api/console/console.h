#pragma once
// The console at "/": one self-contained page that reads /v1 and changes nothing.

#include <string>

#include "base/http_message.h"

namespace hs::api::console {

// GET /: nothing from elsewhere, no inline code but ours (by hash), nobody may frame it.
http::Routes routes();

// For tests.
std::string page();
std::string content_security_policy();

}  // namespace hs::api::console
