// The OTLP receivers over real sockets with a sink that only counts; and once more with a sink that is always full.
// Prints {"http": "...", "grpc": "...", "full_http": "...", "full_grpc": "..."} and runs until its standard input ends.

#include <atomic>
#include <cstdio>
#include <string>

#include <fmt/format.h>

#include "api/otlp/receiver.h"
#include "net/grpc_server.h"
#include "net/http_server.h"

namespace {

using namespace hs;

std::atomic<uint64_t> items{0};

void counting_sink(const ingest::Incoming&, const model::Batch& batch, const std::function<void(Status)>& done) {
  items += batch.size();
  done({});
}

void full_sink(const ingest::Incoming&, const model::Batch&, const std::function<void(Status)>& done) {
  done(fail(Code::resource_exhausted, "full, for the test", 1000));
}

struct Listeners {
  std::shared_ptr<net::GrpcServer> grpc;
  std::unique_ptr<net::HttpServer> http;
};

Result<Listeners> listen(const api::otlp::Sink& sink) {
  const io::Endpoint loopback{.host = "127.0.0.1"};
  const api::otlp::ReceiverOptions options;
  auto http_handler = api::otlp::with_status_errors(api::otlp::http_receiver(options, io::system_clock(), sink));
  Listeners out;
  HS_ASSIGN(out.grpc,
            net::GrpcServer::start({.listen = loopback}, api::otlp::grpc_receiver(options, io::system_clock(), sink)));
  const auto to_grpc = [grpc = out.grpc](net::Fd fd, std::string_view bytes) { grpc->adopt(std::move(fd), bytes); };
  HS_ASSIGN(out.http, net::HttpServer::start({.listen = loopback, .http2 = to_grpc}, std::move(http_handler)));
  return out;
}

}  // namespace

int main() {
  const auto open = listen(counting_sink);
  const auto full = listen(full_sink);
  if (!open || !full) {
    std::fputs("otlp_receiver: cannot listen\n", stderr);
    return 1;
  }
  fmt::print(R"({{"http":"http://{}","grpc":"{}","full_http":"http://{}","full_grpc":"{}"}})"
             "\n",
             open->http->address().text(), open->grpc->address().text(), full->http->address().text(),
             full->grpc->address().text());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
