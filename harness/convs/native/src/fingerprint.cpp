// A number that tells whether memory has changed: every bit of it counts, and where it stands.
#include "export.h"
#include "vector.h"

EXPORT uint64_t harness_fingerprint(const float* values, int64_t count) {
  typedef uint32_t Words __attribute__((vector_size(WIDTH * sizeof(uint32_t)), may_alias));
  constexpr int LANES = 4;  // chains that do not wait for each other
  constexpr uint32_t ODD = 2654435761u;
  Words sums[LANES] = {};
  int64_t i = 0;
  for (; i + LANES * WIDTH <= count; i += LANES * WIDTH)
    for (int lane = 0; lane < LANES; lane++)
      sums[lane] = sums[lane] * ODD + (Words)load(values + i + lane * WIDTH);
  uint64_t result = static_cast<uint64_t>(count);
  const auto add = [&](uint32_t word) { result = (result ^ word) * 1099511628211u; };
  for (const Words& sum : sums)
    for (int lane = 0; lane < WIDTH; lane++) add(sum[lane]);
  for (; i < count; i++) {
    uint32_t word;
    std::memcpy(&word, values + i, sizeof word);
    add(word);
  }
  return result;
}
