#pragma once
// What /metrics answers, in every process of ours.

#include "base/http_message.h"

namespace hs::metrics {

http::Response page();

}  // namespace hs::metrics
