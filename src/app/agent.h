#pragma once
// `homeostat agent`: receives what `serve` receives, keeps it on disk, forwards it. No engine, no loop, no children.

#include "app/commands.h"

namespace hs::app {

inline constexpr std::string_view agent_help =
    "It needs agent.forward.url; it listens where listen.otlp_grpc, listen.otlp_http, listen.syslog_* say and reads\n"
    "logs.files; its own pages are at listen.http (/healthz, /readyz, /metrics). Its queue is <data>/agent.\n"
    "  homeostat agent --data /var/lib/homeostat --set agent.forward.url=http://10.0.0.1:4318\n"
    "docs/agent.md tells what it guarantees; `homeostat check-config --reference` lists all keys (agent.*).";

int agent(const Common& common);

}  // namespace hs::app
