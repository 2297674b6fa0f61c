#include "promql/ast.h"
#include "promql/json.h"

namespace hs::promql {
namespace {

using Kind = Expr::Kind;

// Members in the order in which they are added, which is alphabetical, as Go's maps are written.
class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }
  ~Object() { out_ += '}'; }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  void key(std::string_view name) {
    if (any_) out_ += ',';
    any_ = true;
    write_json_string(out_, name);
    out_ += ':';
  }
  void text(std::string_view name, std::string_view value) {
    key(name);
    write_json_string(out_, value);
  }
  void raw(std::string_view name, std::string_view value) {
    key(name);
    out_ += value;
  }
  void flag(std::string_view name, bool value) { raw(name, value ? "true" : "false"); }
  void integer(std::string_view name, int64_t value) { raw(name, std::to_string(value)); }
  std::string& out() { return out_; }

 private:
  std::string& out_;
  bool any_ = false;
};

void write(std::string& out, const Expr* expr);

void write_child(Object& object, std::string_view name, const Expr* expr) {
  object.key(name);
  write(object.out(), expr);
}

void write_names(Object& object, std::string_view name, const std::vector<std::string>& list) {
  object.key(name);
  object.out() += '[';
  for (size_t i = 0; i < list.size(); ++i) {
    if (i > 0) object.out() += ',';
    write_json_string(object.out(), list[i]);
  }
  object.out() += ']';
}

void write_matchers(Object& object, const std::vector<Matcher>& matchers) {
  object.key("matchers");
  object.out() += '[';
  for (size_t i = 0; i < matchers.size(); ++i) {
    if (i > 0) object.out() += ',';
    Object matcher(object.out());
    matcher.text("name", matchers[i].name());
    matcher.text("type", name_of(matchers[i].type()));
    matcher.text("value", matchers[i].value());
  }
  object.out() += ']';
}

void write_start_or_end(Object& object, const TimeModifier& time) {
  if (time.preprocessor) {
    object.text("startOrEnd", text_of(*time.preprocessor));
  } else {
    object.raw("startOrEnd", "null");
  }
}

void write_timestamp(Object& object, const TimeModifier& time) {
  object.raw("timestamp", time.timestamp_ms ? std::to_string(*time.timestamp_ms) : "null");
}

void write_selector(std::string& out, const VectorSelector& node, const MatrixSelector* matrix) {
  Object object(out);
  object.flag("anchored", node.anchored);
  write_matchers(object, node.matchers);
  object.text("name", node.name);
  object.integer("offset", node.time.original_offset_ms);
  write_child(object, "offsetExpr", node.time.offset_expr.get());
  if (matrix != nullptr) {
    object.integer("range", matrix->range_ms);
    write_child(object, "rangeExpr", matrix->range_expr.get());
  }
  object.flag("smoothed", node.smoothed);
  write_start_or_end(object, node.time);
  write_timestamp(object, node.time);
  object.text("type", matrix != nullptr ? "matrixSelector" : "vectorSelector");
}

void write_aggregate(std::string& out, const AggregateExpr& node) {
  Object object(out);
  write_child(object, "expr", node.expr.get());
  write_names(object, "grouping", node.grouping);
  object.text("op", text_of(node.op));
  write_child(object, "param", node.param.get());
  object.text("type", "aggregation");
  object.flag("without", node.without);
}

void write_fill(Object& object, std::string_view name, const std::optional<double>& value) {
  object.raw(name, value ? format_float(*value) : "null");
}

void write_binary(std::string& out, const BinaryExpr& node) {
  Object object(out);
  object.flag("bool", node.return_bool);
  write_child(object, "lhs", node.lhs.get());
  object.key("matching");
  if (node.matching) {
    Object matching(out);
    matching.text("card", name_of(node.matching->card));
    matching.key("fillValues");
    {
      Object fill(out);
      write_fill(fill, "lhs", node.matching->fill_left);
      write_fill(fill, "rhs", node.matching->fill_right);
    }
    write_names(matching, "include", node.matching->include);
    write_names(matching, "labels", node.matching->labels);
    matching.flag("on", node.matching->on);
  } else {
    out += "null";
  }
  object.text("op", text_of(node.op));
  write_child(object, "rhs", node.rhs.get());
  object.text("type", "binaryExpr");
}

void write_call(std::string& out, const CallExpr& node) {
  Object object(out);
  object.key("args");
  out += '[';
  for (size_t i = 0; i < node.arguments.size(); ++i) {
    if (i > 0) out += ',';
    write(out, node.arguments[i].get());
  }
  out += ']';
  object.key("func");
  {
    Object function(out);
    std::vector<std::string> types;
    for (const ValueType type : node.function->arguments) types.emplace_back(name_of(type));
    write_names(function, "argTypes", types);
    function.text("name", node.function->name);
    function.text("returnType", name_of(node.function->result));
    function.integer("variadic", node.function->variadic);
  }
  object.text("type", "call");
}

void write_subquery(std::string& out, const SubqueryExpr& node) {
  Object object(out);
  write_child(object, "expr", node.expr.get());
  object.integer("offset", node.time.original_offset_ms);
  write_child(object, "offsetExpr", node.time.offset_expr.get());
  object.integer("range", node.range_ms);
  write_child(object, "rangeExpr", node.range_expr.get());
  write_start_or_end(object, node.time);
  object.integer("step", node.step_ms);
  write_child(object, "stepExpr", node.step_expr.get());
  write_timestamp(object, node.time);
  object.text("type", "subquery");
}

void write_duration_part(Object& object, std::string_view name, const Expr* part) {
  object.key(name);
  if (part == nullptr || part->kind != Kind::number) return write(object.out(), part);
  Object number(object.out());
  number.flag("duration", as<NumberLiteral>(*part).is_duration);
  number.text("type", "numberLiteral");
  number.text("val", format_float(as<NumberLiteral>(*part).value));
}

void write_duration(std::string& out, const DurationExpr& node) {
  Object object(out);
  write_duration_part(object, "lhs", node.lhs.get());
  object.text("op", text_of(node.op));
  write_duration_part(object, "rhs", node.rhs.get());
  object.text("type", "durationExpr");
  object.flag("wrapped", node.wrapped);
}

void write_wrapper(std::string& out, const Expr& inner, std::string_view type, std::string_view op) {
  Object object(out);
  write_child(object, "expr", &inner);
  if (!op.empty()) object.text("op", op);
  object.text("type", type);
}

void write_literal(std::string& out, std::string_view type, const std::string& value) {
  Object object(out);
  object.text("type", type);
  object.text("val", value);
}

void write(std::string& out, const Expr* expr) {
  if (expr == nullptr) {
    out += "null";
    return;
  }
  switch (expr->kind) {
    case Kind::aggregate:
      return write_aggregate(out, as<AggregateExpr>(*expr));
    case Kind::binary:
      return write_binary(out, as<BinaryExpr>(*expr));
    case Kind::call:
      return write_call(out, as<CallExpr>(*expr));
    case Kind::subquery:
      return write_subquery(out, as<SubqueryExpr>(*expr));
    case Kind::duration:
      return write_duration(out, as<DurationExpr>(*expr));
    case Kind::paren:
      return write_wrapper(out, *as<ParenExpr>(*expr).expr, "parenExpr", "");
    case Kind::unary: {
      const auto& node = as<UnaryExpr>(*expr);
      return write_wrapper(out, *node.expr, "unaryExpr", text_of(node.op));
    }
    case Kind::number:
      return write_literal(out, "numberLiteral", format_float(as<NumberLiteral>(*expr).value));
    case Kind::string:
      return write_literal(out, "stringLiteral", as<StringLiteral>(*expr).value);
    case Kind::vector_selector:
      return write_selector(out, as<VectorSelector>(*expr), nullptr);
    case Kind::matrix_selector: {
      const auto& node = as<MatrixSelector>(*expr);
      return write_selector(out, as<VectorSelector>(*node.selector), &node);
    }
  }
}

}  // namespace

std::string to_tree_json(const Expr& expr) {
  std::string out;
  write(out, &expr);
  return out;
}

}  // namespace hs::promql
