// The outputs of tiles: where they lie, and Y = A^T M A.
#pragma once
#include "block.h"

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
inline const Target<Tile>* targets_of(const Block<Tile>& block, const Output& out,
                                      const Edges& edges, Scratch& scratch) {
  const Layout<Tile>& l = block.l;
  const int64_t size = sizeof(Target<Tile>) / sizeof(float);
  auto* targets = reinterpret_cast<Target<Tile>*>(scratch.floats(l.lines_out * size));
  const int64_t nowhere = between(out.y, edges.spare);
  const int64_t nothing = out.residual ? between(out.residual, edges.zeros) : 0;
  block.each_line(block.tiles, l.planes_out, [&](const Place& where, int, int64_t plane,
                                                 int64_t line) {
    Target<Tile>& target = targets[line];
    target.y = outputs_of(l, where, plane, nowhere, target.own[0]);
    if (out.residual) target.residual = outputs_of(l, where, plane, nothing, target.own[1]);
  });
  return targets;
}

// Y = A^T M A of one vector of channels, `some` of whose lanes are there, finished. `floor` is zero
// for a ReLU, else below all numbers.
template <class Map, bool RESIDUAL, bool WHOLE>
APART void inverse(const float* m, int64_t position, Vec bias, Vec floor, float* y,
                   const int64_t* y_offsets, const float* residual,
                   const int64_t* residual_offsets, int some) {
  Map::map(
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

// A^T M A of each kind of tiles, of a vector of channels and of its first lanes.
struct Inverses {
  using Call = void (*)(const float*, int64_t, Vec, Vec, float*, const int64_t*, const float*,
                        const int64_t*, int);
  Call whole[KINDS], first[KINDS];

  template <class Tile>
  Inverses(const Layout<Tile>& l, const Output& out) {
    for (int kind = 0; kind < KINDS; kind++)
      l.with_transforms(kind, [&](auto tile) {
        using Map = typename decltype(tile)::Inverse;
        whole[kind] = out.residual ? inverse<Map, true, true> : inverse<Map, false, true>;
        first[kind] = out.residual ? inverse<Map, true, false> : inverse<Map, false, false>;
      });
  }
};

// Y = A^T M A, with bias, residual and ReLU, for panel q. M of a single panel is near: both vectors
// of a line are taken at once. Else one after the other, so that twice as much is read ahead.
template <class Tile>
inline void transform_outputs(const Block<Tile>& block, const Inverses& inverses, const float* m,
                              int64_t position, int64_t q, bool single, const Output& out,
                              const Target<Tile>* targets) {
  const Layout<Tile>& l = block.l;
  const Vec floor = out.relu ? Vec{} : broadcast(-__builtin_inff());
  const int64_t vectors = l.vectors(q);
  const auto finish = [&](Range lines, int kind, Range some) {
    for (int64_t line = lines.first; line < lines.last; line++)
      for (int64_t i = some.first; i < some.last; i++) {
        const Target<Tile>& to = targets[line];
        const int64_t k = q * PANEL + i * WIDTH;
        const int lanes = static_cast<int>(std::min<int64_t>(WIDTH, l.s.filters - k));
        const auto inverse = (lanes == WIDTH ? inverses.whole : inverses.first)[kind];
        inverse(m + line * PANEL + i * WIDTH, position,
                out.bias ? load_first(out.bias + k, lanes) : Vec{}, floor, out.y + to.y.first + k,
                to.y.offsets, out.residual ? out.residual + to.residual.first + k : nullptr,
                to.residual.offsets, lanes);
      }
  };
  for (int64_t i = 0; i < vectors; i += single ? vectors : 1)
    for (int64_t plane = 0; plane < l.planes_out; plane++)
      for (int kind = 0; kind < KINDS; kind++) {
        const int64_t first = plane * l.block;
        finish({first + block.begin[kind], first + block.begin[kind + 1]}, kind,
               {i, single ? vectors : i + 1});
      }
}
