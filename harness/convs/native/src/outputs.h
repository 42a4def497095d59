// The outputs of tiles: where they lie, Y = A^T M A, and fetching them before their turn.
#pragma once
#include "layout.h"

struct Output {
  float* y;
  const float* bias;               // of each filter, or null
  const float* residual;           // lies as y does and is added, or null
  bool relu;
};

// Where the outputs of a tile lie, in one plane if axis 0 has taps; `nowhere` stands for what is
// beyond the map.
template <class Tile>
INLINE At outputs_of(const Layout<Tile>& l, const Place& where, int64_t plane, int64_t nowhere,
                     int64_t* own) {
  int64_t begin[3] = {where.at[0], where.at[1], where.at[2]};
  if (l.s.taps > 1) begin[0] = plane;
  return within(begin, Tile::M, l.s.out, l.s.out_stride, where.n, l.out_offsets, nowhere, own);
}

// Where a line of M goes, and what is added to it on the way.
template <class Tile>
struct Target {
  At y, residual;
  int64_t own[2][Tile::OUTPUTS];
};

// Those of the lines of a block, which serve all of its panels.
template <class Tile>
inline const Target<Tile>* targets_of(const Layout<Tile>& l, Range tiles, const Output& out,
                                      const Edges& edges, Scratch& scratch) {
  const int64_t size = sizeof(Target<Tile>) / sizeof(float);
  auto* targets = reinterpret_cast<Target<Tile>*>(scratch.floats(l.lines_out * size));
  const int64_t nowhere = between(out.y, edges.spare);
  const int64_t nothing = out.residual ? between(out.residual, edges.zeros) : 0;
  each_line(l, tiles, l.planes_out, [&](const Place& where, int64_t plane, int64_t line) {
    Target<Tile>& target = targets[line];
    target.y = outputs_of(l, where, plane, nowhere, target.own[0]);
    if (out.residual) target.residual = outputs_of(l, where, plane, nothing, target.own[1]);
  });
  return targets;
}

// Y = A^T M A of one vector of channels, `some` of whose lanes are there, finished. `floor` is zero
// for a ReLU, else below all numbers.
template <class Tile, bool RESIDUAL, bool WHOLE>
APART void inverse(const float* m, int64_t position, Vec bias, Vec floor, float* y,
                   const int64_t* y_offsets, const float* residual,
                   const int64_t* residual_offsets, int some) {
  Tile::Inverse::map(
      [&](int p) __attribute__((always_inline)) { return load(m + p * position); },
      [&](int i, Vec value) __attribute__((always_inline)) {
        value += bias;
        if constexpr (RESIDUAL) {
          const float* plus = residual + residual_offsets[i];
          value += WHOLE ? load(plus) : load_first(plus, some);
        }
        value = larger(floor, value);  // keeps what is no number
        if constexpr (WHOLE) store(y + y_offsets[i], value);
        else store_first(y + y_offsets[i], value, some);
      });
}

// Y = A^T M A, with bias, residual and ReLU, for panel q.
template <class Tile, bool RESIDUAL>
inline void transform_outputs(const Layout<Tile>& l, const float* m, int64_t position, int64_t q, int64_t count,
                              const Output& out, const Target<Tile>* targets) {
  const Vec floor = out.relu ? Vec{} : broadcast(-__builtin_inff());
  for (int64_t k = q * PANEL; k < std::min(l.s.filters, (q + 1) * PANEL); k += WIDTH, m += WIDTH) {
    const int some = static_cast<int>(std::min<int64_t>(WIDTH, l.s.filters - k));
    const Vec bias = out.bias ? load_first(out.bias + k, some) : Vec{};
    const auto finish = some == WIDTH ? inverse<Tile, RESIDUAL, true> : inverse<Tile, RESIDUAL, false>;
    for (int64_t plane = 0; plane < l.planes_out; plane++)
      for (int64_t i = 0; i < count; i++) {
        const int64_t line = plane * l.block + i;
        const Target<Tile>& to = targets[line];
        finish(m + line * PANEL, position, bias, floor, out.y + to.y.first + k, to.y.offsets,
               RESIDUAL ? out.residual + to.residual.first + k : nullptr,
               to.residual.offsets, some);
      }
  }
}
template <class Tile>
INLINE void transform_outputs(const Layout<Tile>& l, const float* m, int64_t position, int64_t q, int64_t count,
                              const Output& out, const Target<Tile>* targets) {
  if (out.residual) transform_outputs<Tile, true>(l, m, position, q, count, out, targets);
  else transform_outputs<Tile, false>(l, m, position, q, count, out, targets);
}

// Bring near what the next transforms of `tiles`, counted within the block, write and add: nothing
// is computed with it yet.
template <class Tile>
INLINE void fetch_outputs(const Layout<Tile>& l, int64_t q, Range tiles, const Output& out,
                          const Target<Tile>* targets) {
  for (int64_t plane = 0; plane < l.planes_out; plane++)
    for (int64_t tile = tiles.first; tile < tiles.last; tile++) {
      const Target<Tile>& to = targets[plane * l.block + tile];
      for (int i = 0; i < Tile::OUTPUTS; i++)
        for (int64_t k = q * PANEL; k < (q + 1) * PANEL; k += LINE) {
          __builtin_prefetch(out.y + to.y.first + to.y.offsets[i] + k, 1, 2);
          if (out.residual)
            __builtin_prefetch(out.residual + to.residual.first + to.residual.offsets[i] + k, 0, 2);
        }
    }
}
