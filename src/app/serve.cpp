#include "app/serve.h"

#include "app/server.h"
#include "app/signals.h"
#include "app/version.h"
#include "base/log.h"

namespace hs::app {
namespace {

void reload(Server& server) {
  if (const Status ok = server.reload(); ok)
    log::info("configuration applied");
  else
    log::error("configuration not applied", {{"why", ok.error().message}});
}

}  // namespace

int serve(const Common& common) {
  Signals signals;
  const auto loaded = common.load();
  if (!loaded) {
    log::error("cannot start", {{"why", loaded.error().message}});
    return 1;
  }
  configure_log((*loaded)->settings);
  if (const std::string address = (*loaded)->settings.text("listen.opamp"); !address.empty())
    log::warn("nothing listens on listen.opamp: OpAMP is not built yet", {{"address", address}});
  auto server = Server::start(common, *loaded);
  if (!server) {
    log::error("cannot start", {{"why", server.error().message}});
    return 1;
  }
  log::info("homeostat serves", {{"version", version_text}, {"data", (*loaded)->settings.text("data")}});
  while (signals.wait() == SIGHUP) reload(**server);
  log::info("stopping");
  server->reset();
  log::info("stopped");
  return 0;
}

}  // namespace hs::app
