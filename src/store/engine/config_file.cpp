#include "store/engine/config_file.h"

#include <fmt/format.h>

namespace hs::store {

// ClickHouse's defaults are for a large server (mark cache 5 GiB, memory limit 90 % of the machine). These were
// measured with 84 million rows: trace by id 0.06 CPU-s, 250 MB resident. Two merge threads keep up with what two cores
// insert.
std::string config_file(const EngineOptions& options) {
  return fmt::format(R"(<clickhouse>
  <logger><level>none</level></logger>
  <timezone>UTC</timezone>
  <tmp_path>{}/tmp/</tmp_path>
  <user_files_path>{}/user_files/</user_files_path>
  <max_server_memory_usage>{}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <index_mark_cache_size>16777216</index_mark_cache_size>
  <primary_index_cache_size>67108864</primary_index_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <query_condition_cache_size>10485760</query_condition_cache_size>
  <text_index_tokens_cache_size>33554432</text_index_tokens_cache_size>
  <text_index_header_cache_size>33554432</text_index_header_cache_size>
  <text_index_postings_cache_size>33554432</text_index_postings_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
</clickhouse>
)",
                     options.directory, options.directory, options.memory_bytes);
}

}  // namespace hs::store
