#include "core/plan/claude/aws.h"

#include "core/base/json_member.h"

namespace mend::plan::claude {
namespace {

std::string_view Trim(std::string_view text) {
  const char* blanks = " \t\r\n";
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// What may stand in a header.
bool IsToken(std::string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c >= 0x7F) return false;
  }
  return true;
}

base::Result<AwsKeys> Checked(AwsKeys keys, const std::string& where) {
  if (keys.access_key.empty() || keys.secret_key.empty()) {
    return base::Error{"28000", where + " brings no access key and secret", ""};
  }
  if (!IsToken(keys.access_key) || !IsToken(keys.secret_key) || !IsToken(keys.session_token) ||
      keys.access_key.find(':') != std::string::npos) {
    return base::Error{"28000", where + " brings keys with characters that no key has", ""};
  }
  return keys;
}

bool TakeNumber(std::string_view* text, size_t digits, int* out) {
  if (text->size() < digits) return false;
  *out = 0;
  for (size_t i = 0; i < digits; ++i) {
    const char c = (*text)[i];
    if (c < '0' || c > '9') return false;
    *out = *out * 10 + (c - '0');
  }
  text->remove_prefix(digits);
  return true;
}

bool TakeChar(std::string_view* text, char wanted) {
  if (text->empty() || text->front() != wanted) return false;
  text->remove_prefix(1);
  return true;
}

// Days since 1970 of a date of the proleptic Gregorian calendar.
int64_t DaysOf(int year, int month, int day) {
  const int64_t y = month <= 2 ? year - 1 : year;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const int64_t of_era = y - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

}  // namespace

Credential AwsKeys::AsCredential() const {
  Credential credential;
  credential.kind = Credential::Kind::Aws;
  credential.secret = secret_key;
  credential.access_key = access_key;
  credential.session_token = session_token;
  return credential;
}

base::Result<AwsKeys> ReadCredentialsFile(std::string_view text, std::string_view profile) {
  AwsKeys keys;
  bool inside = false, found = false;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = Trim(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[' && line.back() == ']') {
      inside = Trim(line.substr(1, line.size() - 2)) == profile;
      found = found || inside;
      continue;
    }
    const size_t equals = line.find('=');
    if (!inside || equals == std::string_view::npos) continue;
    const std::string_view name = Trim(line.substr(0, equals));
    const std::string value(Trim(line.substr(equals + 1)));
    if (name == "aws_access_key_id") keys.access_key = value;
    if (name == "aws_secret_access_key") keys.secret_key = value;
    if (name == "aws_session_token") keys.session_token = value;
  }
  if (!found) {
    return base::Error{"28000", "the credentials file has no profile " + std::string(profile), ""};
  }
  return Checked(std::move(keys),
                 "the profile " + std::string(profile) + " of the credentials file");
}

base::Result<AwsKeys> ReadMetadataKeys(std::string_view json) {
  json::Document document;
  if (document.Parse(json)) {
    return base::Error{"28000", "the metadata service answers with no JSON", ""};
  }
  const auto text = [&](const char* name) {
    return std::string(json::StringMember(document.root(), name).value_or(""));
  };
  AwsKeys keys{text("AccessKeyId"), text("SecretAccessKey"), text("Token"), std::nullopt};
  if (const std::string expiration = text("Expiration"); !expiration.empty()) {
    keys.expires_at_ms = ParseTimestamp(expiration);
    if (!keys.expires_at_ms) {
      return base::Error{"28000", "the metadata service gives no readable time of expiry", ""};
    }
  }
  return Checked(std::move(keys), "the metadata service");
}

std::optional<int64_t> ParseTimestamp(std::string_view text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!TakeNumber(&text, 4, &year) || !TakeChar(&text, '-') || !TakeNumber(&text, 2, &month) ||
      !TakeChar(&text, '-') || !TakeNumber(&text, 2, &day) || !TakeChar(&text, 'T') ||
      !TakeNumber(&text, 2, &hour) || !TakeChar(&text, ':') || !TakeNumber(&text, 2, &minute) ||
      !TakeChar(&text, ':') || !TakeNumber(&text, 2, &second)) {
    return std::nullopt;
  }
  if (TakeChar(&text, '.')) {
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') text.remove_prefix(1);
  }
  if (text != "Z" || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
      second > 60) {
    return std::nullopt;
  }
  return ((DaysOf(year, month, day) * 24 + hour) * 60 + minute) * 60'000 + second * 1000LL;
}

}  // namespace mend::plan::claude
