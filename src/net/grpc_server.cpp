#include "net/grpc_server.h"

#include <mutex>
#include <utility>

#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <grpc/impl/codegen/grpc_types.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <grpcpp/resource_quota.h>

#include "base/log.h"
#include "net/grpc_call.h"
#include "net/grpc_metrics.h"
#include "net/grpc_tls.h"
#include "net/resolve.h"

namespace hs::net {
namespace {

// Exporters ping idle connections; gRPC's default treats more than one ping in five minutes as abuse and hangs up.
constexpr int ping_interval_min_ms = 5'000;

// gRPC's own messages go through our log, in its format.
void forward_log(gpr_log_func_args* line) {
  const log::Level level = line->severity == GPR_LOG_SEVERITY_ERROR ? log::Level::warn : log::Level::debug;
  log::write(level, "grpc", {{"what", line->message}});
}

class Service final : public grpc::CallbackGenericService {
 public:
  explicit Service(GrpcShared& shared) : shared_(shared) {}
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return new GrpcCall(*context, shared_);  // gRPC's from here; it ends itself in OnDone
  }

 private:
  GrpcShared& shared_;
};

}  // namespace

struct GrpcServer::Impl {
  GrpcShared shared;
  GrpcCertificates certificates;
  Service service{shared};
  io::Endpoint address;
  std::unique_ptr<grpc::Server> server;
  std::mutex adopting;  // gRPC would neither take nor close what comes after its shutdown has begun
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  bool stopped = false;

  void configure(grpc::ServerBuilder& builder) {
    const GrpcServerOptions& options = shared.options;
    const auto whole = static_cast<int>(options.message_bytes_max);
    builder.RegisterCallbackGenericService(&service);
    builder.SetMaxReceiveMessageSize(whole);
    builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // two servers on one port would share it silently
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.streams_max);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, static_cast<int>(options.idle_timeout_ms));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(options.keepalive_ms));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, ping_interval_min_ms);
    using Outside = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
    acceptor =
        builder.experimental().AddExternalConnectionAcceptor(Outside::FROM_FD, grpc::InsecureServerCredentials());
    builder.SetResourceQuota(grpc::ResourceQuota(options.name).Resize(options.transport_bytes_max));
  }
};

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcServer::~GrpcServer() { stop(0); }
const io::Endpoint& GrpcServer::address() const { return impl_->address; }

Result<std::unique_ptr<GrpcServer>> GrpcServer::start(GrpcServerOptions options, rpc::Methods methods) {
  const std::string where = options.listen.text();
  if (options.listen.unix_path.empty() && !numeric_address(options.listen))
    return fail(Code::invalid_argument,
                fmt::format("cannot listen on {}: the host must be a numeric address or localhost", where));
  auto impl = std::make_unique<Impl>();
  impl->shared.options = std::move(options);
  impl->shared.methods = std::move(methods);
  impl->shared.metrics = &GrpcMetrics::of(impl->shared.options.name);
  impl->address = impl->shared.options.listen;
  if (impl->address.host == "localhost") impl->address.host = "127.0.0.1";  // as everywhere: one family, no surprise
  gpr_set_log_function(forward_log);
  // Debian builds Abseil with its checks for debugging: each lock of gRPC's would be looked up in a graph of all.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  grpc::ServerBuilder builder;
  impl->configure(builder);
  int port = 0;
  impl->certificates.tls = impl->shared.options.tls;
  builder.AddListeningPort(
      impl->address.text(),
      impl->certificates.tls ? tls_credentials(impl->certificates) : grpc::InsecureServerCredentials(), &port);
  impl->server = builder.BuildAndStart();
  if (!impl->server || port == 0)
    return fail(Code::unavailable, fmt::format("cannot listen on {}: is it in use?", where));
  if (impl->address.unix_path.empty()) impl->address.port = static_cast<uint16_t>(port);
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

void GrpcServer::adopt(Fd connection, std::string_view received) {
  const std::lock_guard lock(impl_->adopting);
  if (impl_->stopped) return;
  const grpc::Slice slice(received.data(), received.size());
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.fd = connection.release();
  parameters.read_buffer = grpc::ByteBuffer(&slice, 1);
  impl_->acceptor->HandleNewConnection(&parameters);
}

void GrpcServer::stop(int64_t deadline_ms) {
  {
    const std::lock_guard lock(impl_->adopting);
    if (std::exchange(impl_->stopped, true)) return;
  }
  const gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);
  impl_->server->Shutdown(gpr_time_add(now, gpr_time_from_millis(deadline_ms, GPR_TIMESPAN)));
  impl_->server->Wait();
}

}  // namespace hs::net
