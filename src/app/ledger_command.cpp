#include "app/ledger_command.h"

#include <fmt/format.h>

#include <memory>

#include "app/recorder.h"
#include "app/replay_command.h"
#include "io/disk.h"
#include "ledger/verify.h"

namespace hs::app {
namespace {

struct Options {
  std::string data, directory, head, key, incident, recording;
};

std::string data_directory(const Common& common) {
  const auto loaded = common.load();
  return loaded ? (*loaded)->settings.text("data") : common.data;
}

// --ledger names a copy of the directory; otherwise it lies in the data directory.
std::string where(const Options& options, const Common& common) {
  if (!options.directory.empty()) return options.directory;
  return ledger_directory(data_directory(common));
}

int print(int code, const std::string& text) {
  fmt::print(code == 0 ? stdout : stderr, "{}", text);
  return code;
}

}  // namespace

std::string ledger_directory(const std::string& data) { return data + "/ledger"; }

void add_ledger(CLI::App& app, Common& common, int& code) {
  auto options = std::make_shared<Options>();
  CLI::App* ledger = app.add_subcommand("ledger", "check and read the record of events and decisions");
  ledger->require_subcommand(1);
  const auto add = [&](const char* name, const char* help) {
    CLI::App* command = ledger->add_subcommand(name, help);
    command->add_option("--data", common.data, "data directory")->type_name("DIR");
    command->add_option("--ledger", options->directory, "a copy of the ledger's directory instead")->type_name("DIR");
    return command;
  };
  CLI::App* verify = add("verify", "find edits, deletions, reorderings; with a kept head also truncation");
  verify->add_option("--head", options->head, "a head kept elsewhere: a file, the signed note, or SIZE:ROOT");
  verify->add_option("--key", options->key, "the public key kept elsewhere (default: the one beside the ledger)");
  verify->callback([&common, &code, options] {
    std::string out;
    const int result = ledger::run_verify(
        io::system_disk(), {.directory = where(*options, common), .head = options->head, .key = options->key}, out);
    code = print(result, out);
  });
  CLI::App* show = add("show", "tell an incident from start to end; without one, list the incidents");
  show->add_option("INCIDENT", options->incident, "its id");
  show->callback([&common, &code, options] {
    std::string out;
    const int result = ledger::run_show(io::system_disk(), where(*options, common), options->incident, out);
    code = print(result, out);
  });
  CLI::App* replay = add("replay", "feed a fresh loop what was recorded and compare its decisions with the ledger");
  replay->add_option("--recording", options->recording, "a copy of the recording's directory instead")
      ->type_name("DIR");
  replay->callback([&common, &code, options] {
    std::string out;
    const std::string recording =
        options->recording.empty() ? recording_directory(data_directory(common)) : options->recording;
    const int result = run_replay(io::system_disk(), where(*options, common), recording, out);
    code = print(result, out);
  });
  add("head", "print the newest signed head, to be kept on another machine")->callback([&common, &code, options] {
    std::string out;
    const int result = ledger::run_head(io::system_disk(), where(*options, common), out);
    code = print(result, out);
  });
}

}  // namespace hs::app
