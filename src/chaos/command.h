#pragma once
// `homeostat chaos run FILE | validate FILE | faults | clear`: what the command does, without its flags.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "chaos/variables.h"
#include "io/clock.h"
#include "io/http.h"

namespace hs::chaos {

struct CommandContext {
  io::Http& http;         // for what experiments ask
  io::Http& server_http;  // for `server`, which may speak TLS
  io::Clock& clock;
  io::Endpoint server;             // of the running Homeostat (listen.http)
  std::string token;               // <data>/token
  std::vector<std::string> hosts;  // chaos.hosts
  Environment environment;         // for {"type": "env"}
  // As RunContext::pause: false when the user asked to stop (SIGINT, SIGTERM).
  std::function<bool(int64_t ms)> pause;
  std::function<void(std::string_view line)> say, complain;  // standard output, standard error
};

// Each returns the exit code: 0 done (run: completed and not deviated), 1 not so, 2 the file is wrong.
// The journal is written to `journal_path`, always when the experiment began.
int run_file(const CommandContext& context, const std::string& path, const std::string& journal_path);
// Proxies are checked when the server answers.
int validate_file(const CommandContext& context, const std::string& path);
int list_faults(const CommandContext& context);
int clear_faults(const CommandContext& context);

}  // namespace hs::chaos
