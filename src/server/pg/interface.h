// The interface between this library and its SQL objects: arguments, results, tables.
#pragma once

#include <optional>
#include <string>

// Counts up with each release whose objects differ from those before. It is part of every C symbol
// that SQL names (the Makefile adds it to the scripts), so that a session that still runs an older
// library finds no function for newer objects, and a newer library knows older objects by their
// symbols, and refuses them.
#define MEND_INTERFACE 2

namespace mend::pg {

// Throws 55000: the objects of this database are those of an older release.
[[noreturn]] void RefuseOldObjects();

// The release whose objects this database has, if any; whether that is this library's. Both need a
// transaction.
std::optional<std::string> ObjectsVersion();
bool ObjectsAreOurs();

}  // namespace mend::pg
