#pragma once
// What the tests of gRPC connections share: a service that echoes, and one call as a client makes it.

#include <memory>
#include <string>
#include <vector>

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "base/compress.h"
#include "base/rpc_message.h"
#include "io/http.h"

namespace hs::net {

constexpr const char* echo_method = "/test.Echo/Say";

inline rpc::Methods echo_methods() {
  return {{echo_method, [](const rpc::Request& request, const rpc::Done& done) {
             auto body = decode_content(request.encoding, request.body, 1000);
             if (!body) return done(tl::unexpected(body.error()));
             done(request.encoding + ":" + *body + ":" + std::string(request.metadata.get("x-test")));
           }}};
}

struct Outcome {
  grpc::Status status;
  std::string message;
};

// One unary call through the generic stub.
inline Outcome call(const io::Endpoint& to, const std::string& method, const std::string& message,
                    grpc_compression_algorithm compression = GRPC_COMPRESS_NONE, int deadline_ms = 60'000) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  const auto channel = grpc::CreateCustomChannel(to.text(), grpc::InsecureChannelCredentials(), arguments);
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.AddMetadata("x-test", "m");
  context.set_compression_algorithm(compression);
  const gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);
  context.set_deadline(gpr_time_add(now, gpr_time_from_millis(deadline_ms, GPR_TIMESPAN)));
  const grpc::Slice slice(message);
  grpc::ByteBuffer request(&slice, 1), response;
  grpc::CompletionQueue queue;
  const auto rpc = stub.PrepareUnaryCall(&context, method, request, &queue);
  Outcome out;
  rpc->StartCall();
  rpc->Finish(&response, &out.status, &queue);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  std::vector<grpc::Slice> slices;
  if (out.status.ok() && response.Dump(&slices).ok())
    for (const auto& s : slices) out.message.append(reinterpret_cast<const char*>(s.begin()), s.size());
  return out;
}

}  // namespace hs::net
