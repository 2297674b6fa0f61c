#pragma once
// One unary call of a GrpcServer.

#include <atomic>
#include <memory>
#include <stop_token>
#include <string>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include "net/grpc_server.h"

namespace hs::net {

struct GrpcMetrics;

// What all calls of one server share. Outlives them.
struct GrpcShared {
  GrpcServerOptions options;
  rpc::Methods methods;
  std::atomic<size_t> message_bytes{0};
  GrpcMetrics* metrics = nullptr;
};

// gRPC owns it from construction until OnDone, which comes only after finish(). Who answers first - the handler, or
// the caller by leaving - is decided in Answer; the loser does nothing.
class GrpcCall final : public grpc::ServerGenericBidiReactor {
 public:
  GrpcCall(grpc::GenericCallbackServerContext& context, GrpcShared& shared);

 private:
  class Answer;
  void OnReadDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void refuse(const Error& error);
  Result<rpc::Request> take_request();
  void finish(Result<std::string> result);

  grpc::GenericCallbackServerContext& context_;
  GrpcShared& shared_;
  grpc::ByteBuffer received_, answer_;
  std::shared_ptr<Answer> state_;  // with the handler's Done, which may outlive the call
  std::stop_source gone_;
  size_t charged_ = 0;
};

}  // namespace hs::net
