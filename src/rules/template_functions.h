#pragma once
// The functions of templates: Go's and Prometheus'. Internal to rules/.

#include <string>
#include <vector>

#include "rules/template.h"
#include "rules/template_value.h"

namespace hs::rules {

// "error calling NAME: ..." when it fails.
Result<Value> call_function(const std::string& name, const std::vector<Value>& arguments, const TemplateData& data);

}  // namespace hs::rules
