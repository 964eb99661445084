// mend.events: what happened, by whom. Append-only.
#pragma once

#include <optional>
#include <string>

namespace mend::observe {

// Appends one event in the current transaction. `detail` is a JSON object. `actor`: who did it;
// nullopt is the session's user.
void Record(const char* kind, const std::string& target_name, std::optional<int64_t> patch_id,
            const std::string& detail = "{}",
            const std::optional<std::string>& actor = std::nullopt);

// The actor of what the worker does by itself.
inline constexpr const char* kWorker = "pg_mend";

}  // namespace mend::observe
