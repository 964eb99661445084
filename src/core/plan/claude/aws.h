// Where AWS credentials come from, as texts that are read: a credentials file, and the answers of
// the metadata services of containers and machines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/plan/claude/messages.h"

namespace mend::plan::claude {

struct AwsKeys {
  std::string access_key;
  std::string secret_key;
  std::string session_token;             // may be empty
  std::optional<int64_t> expires_at_ms;  // since 1970; nothing: they do not

  Credential AsCredential() const;
};

// One profile of a credentials file ("default" where none is named). The error names what is
// missing, and no value.
base::Result<AwsKeys> ReadCredentialsFile(std::string_view text, std::string_view profile);

// What a metadata service answers: {"AccessKeyId": ..., "SecretAccessKey": ..., "Token": ...,
// "Expiration": ...}.
base::Result<AwsKeys> ReadMetadataKeys(std::string_view json);

// "2026-11-29T17:00:00Z" as milliseconds since 1970.
std::optional<int64_t> ParseTimestamp(std::string_view text);

}  // namespace mend::plan::claude
