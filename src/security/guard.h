#pragma once
// Loopback is not a boundary: any web page that the user visits can post to it, and with a name of its own that
// resolves to 127.0.0.1 even read from it. The guard stands before every HTTP handler.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_message.h"
#include "base/rpc_message.h"
#include "security/credentials.h"

namespace hs::security {

enum class Access : uint8_t {
  open,     // for everybody who passes Host and Origin: health, static pages
  read,     // changes nothing, whatever the method (queries may be POSTs)
  sender,   // telemetry in, evaluations: a named credential where any is configured
  control,  // changes state: the operator's token
};

struct Rule {
  std::string method;  // "" = any
  std::string prefix;  // of the path, whole segments: "/v1/traces" covers "/v1/traces/x", not "/v1/tracesx"
  Access access = Access::control;
  bool exact = false;  // the path itself, nothing below it
};

struct Policy {
  // The longest matching prefix decides, a rule with a method before one without. Without a match GET and HEAD are
  // `read`, everything else is `control`.
  std::vector<Rule> rules;
  // Names besides loopback ones that a Host header may carry; called at each request, so that a reload applies.
  std::function<std::vector<std::string>()> hosts;
  // The listener is reachable from elsewhere: Host may be any literal address (a name is what rebinding needs).
  bool any_address = false;
  // ...and then reading needs the operator's token too.
  bool read_needs_token = false;
  std::shared_ptr<const Credentials> operators;  // required
  std::shared_ptr<const Credentials> senders;    // nullptr or empty: senders need no credential
};

// Refuses (403) a foreign Host or Origin, (401) a missing or wrong credential; fills Request::credential; takes CORS
// headers off every answer and adds the headers that keep browsers from guessing. Works for any server of
// http::Handlers.
http::Handler guard(http::Handler inner, Policy policy);

// The same for gRPC methods that take telemetry: with `senders` configured a call needs one's token in its
// `authorization` metadata. No browser can speak gRPC, so there is no Host or Origin to look at.
rpc::Methods guard(rpc::Methods inner, std::shared_ptr<const Credentials> senders);

// Whether a listener may open: loopback and UNIX sockets always; anything else needs a credential that its callers must
// present, or the operator's explicit word. `setting` names the listener in the message, `remedy` what to set.
Status check_bind(std::string_view setting, std::string_view address, bool has_credential, bool insecure_bind,
                  std::string_view remedy = "security.ingest_tokens");

// "127.0.0.1:4318", "[::1]:80", "localhost", "unix:/x".
bool is_loopback(std::string_view address);

}  // namespace hs::security
