// Any bytes as a client's request and as the files of our own processes: an answer, or a refusal; what is taken comes
// back as it was written.

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/assert.h"
#include "io/clock.h"
#include "io/files.h"
#include "values/ofrep.h"

namespace hs::values {
namespace {

// A handler over one state, made once.
struct World {
  World() {
    std::string name = "/tmp/hs-ofrep-fuzz-XXXXXX";
    HS_ASSERT(::mkdtemp(name.data()) != nullptr, name);
    path = name + "/state.json";
    State state;
    state.revision = 9;
    state.knobs.push_back({"limit", config::KnobType::real, config::KnobScope::request, {}, 1.0, 1, {}, {}});
    state.knobs.push_back({"n", config::KnobType::integer, config::KnobScope::instance, {}, int64_t{3}, 2, {}, {}});
    state.knobs[1].candidate = Candidate{int64_t{0}, 9, "chg", 0.5, 42, "", "", 10 * nanos_per_s, "boot", 0};
    HS_ASSERT(io::replace_file(path, encode(state), 0600, io::Durable::content), path);
    reader.emplace(path);
    HS_ASSERT(reader->poll(), path);
    handler.emplace(*reader, served, clock, "boot");
  }
  std::string path;
  std::optional<Reader> reader;
  ServedCounts served{"run"};
  io::SimClock clock{1'700'000'000 * nanos_per_s};
  std::optional<OfrepHandler> handler;
};

// The first line is the target, the rest the body.
void ask(const std::string& text) {
  static World world;
  const size_t end = std::min(text.find('\n'), text.size());
  http::Request request;
  request.method = "POST";
  request.path = "/ofrep/v1/evaluate/flags" + text.substr(0, end);
  request.body = text.substr(std::min(end + 1, text.size()));
  const http::Response answer = world.handler->respond(request);
  HS_ASSERT(answer.status >= 200 && answer.status < 600, "an answer");
}

}  // namespace
}  // namespace hs::values

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hs;
  const std::string text(reinterpret_cast<const char*>(data), size);
  values::ask(text);
  if (const auto state = values::decode(text)) {
    const std::string written = values::encode(*state);
    const auto again = values::decode(written);
    HS_ASSERT(again && values::encode(*again) == written, "a state comes back");
  }
  if (const auto report = values::decode_served(text))
    HS_ASSERT(values::decode_served(values::encode(*report)).has_value(), "a report comes back");
  return 0;
}
