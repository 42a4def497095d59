// What the library was compiled for.
#include "export.h"
#include "vector.h"

EXPORT int harness_vector_width() { return WIDTH; }
