#include "base/protobuf.h"

#include "base/assert.h"

namespace hs::protobuf {

bool Reader::next_slowly() {
  protozero::pbf_reader r(field_, static_cast<size_t>(end_ - field_));
  r.next();
  key_ = r.tag_and_type();
  at_ = r.data().data();
  return true;
}

void Reader::too_short() const {
  protozero::pbf_reader r(field_, static_cast<size_t>(end_ - field_));
  r.next();
  r.skip();  // throws: the field ends after the message
  HS_ASSERT(false, "a number was read that is of another type");
  __builtin_unreachable();
}

}  // namespace hs::protobuf
