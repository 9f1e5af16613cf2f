// An address in a kernel as file and line. Slow; used for messages, and where a line asks for
// mercy.
#pragma once

static const char* source_of(const void* address) {
  static char text[512];
  Dl_info info;
  if (!dladdr(address, &info) || !info.dli_fname) {
    snprintf(text, sizeof text, "%p", address);
    return text;
  }
  size_t offset = (char*)address - (char*)info.dli_fbase;
  char command[768];
  snprintf(command, sizeof command, "addr2line -e '%s' -f -C -p 0x%zx 2>/dev/null", info.dli_fname,
           offset - 1);
  FILE* pipe = popen(command, "r");
  if (pipe && fgets(text, sizeof text, pipe))
    text[strcspn(text, "\n")] = 0;
  else
    snprintf(text, sizeof text, "%s+0x%zx", info.dli_sname ? info.dli_sname : info.dli_fname,
             offset);
  if (pipe) pclose(pipe);
  return text;
}

// Lines with the comment `emulator: race allowed`, as "|file:line|file:line|".
static std::string allowed_lines;
static std::unordered_map<const void*, bool> allowed_addresses;

extern "C" void emulator_allow_races(const char* lines) {
  allowed_lines = lines;
  allowed_addresses.clear();
}

static bool race_allowed(const void* address) {
  if (allowed_lines.size() < 2) return false;
  auto known = allowed_addresses.find(address);
  if (known != allowed_addresses.end()) return known->second;
  std::string place = source_of(address);  // "kernel at dir/file.cu:12 (discriminator 1)"
  size_t slash = place.rfind('/'), at = place.rfind(" at ");
  place = place.substr(slash != std::string::npos ? slash + 1
                       : at != std::string::npos  ? at + 4
                                                  : 0);
  place = place.substr(0, place.find(' '));
  return allowed_addresses[address] = allowed_lines.find("|" + place + "|") != std::string::npos;
}
