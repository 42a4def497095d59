// The inputs of tiles: where they lie, V = B^T d B, and fetching them before their turn.
#pragma once
#include "layout.h"

// Where the inputs of a tile lie, `nothing` where it reaches into the padding.
template <class Tile>
INLINE void inputs_of(const Layout<Tile>& l, const float* x, int64_t tile, int64_t plane,
                      const float* nothing, const float** from) {
  const Shape& s = l.s;
  const Place where = place(l, tile);
  int64_t first[3];
  for (int i = 0; i < 3; i++) first[i] = where.at[i] - s.pad[i];
  if (s.taps > 1) first[0] = plane;
  const float* base = x + where.n * s.in_stride[0];
  const bool inside = first[0] >= 0 && first[0] + Tile::N[0] <= s.in[0] && first[1] >= 0 &&
                      first[1] + Tile::N[1] <= s.in[1] && first[2] >= 0 &&
                      first[2] + Tile::N[2] <= s.in[2];
  if (inside) {
    base += first[0] * s.in_stride[1] + first[1] * s.in_stride[2] + first[2] * s.in_stride[3];
    for (int i = 0; i < Tile::POSITIONS; i++) from[i] = base + l.offsets[i];
    return;
  }
  const auto within = [&](int axis, int64_t i) { return i >= 0 && i < s.in[axis]; };
  for (int a = 0, i = 0; a < Tile::N[0]; a++)
    for (int b = 0; b < Tile::N[1]; b++)
      for (int c = 0; c < Tile::N[2]; c++, i++) {
        const int64_t t = first[0] + a, h = first[1] + b, w = first[2] + c;
        const bool seen = within(0, t) && within(1, h) && within(2, w);
        from[i] = seen ? base + t * s.in_stride[1] + h * s.in_stride[2] + w * s.in_stride[3]
                       : nothing;
      }
}

// V = B^T d B, the first of the tiles at `v`.
template <class Tile>
inline void transform_inputs(const Layout<Tile>& l, const float* x, Range tiles,
                             const float* nothing, float* v) {
  const int64_t block = l.block, lines = l.lines_in, position = l.v_position;
  const int rest = static_cast<int>(l.s.channels % WIDTH);
  for (int64_t tile = tiles.first; tile < tiles.last; tile++)
    for (int64_t plane = 0; plane < l.planes_in; plane++) {
      const float* from[Tile::POSITIONS];
      inputs_of(l, x, tile, plane, nothing, from);
      float* to = v + (plane * block + tile - tiles.first) * WIDTH;
      const auto give = [&](int p, Vec value)
                            __attribute__((always_inline)) { store(to + p * position, value); };
      int64_t c = 0;
      for (; c + WIDTH <= l.s.channels; c += WIDTH, to += lines * WIDTH)
        Tile::Data::map([&](int i) __attribute__((always_inline)) { return load(from[i] + c); },
                        give);
      if (rest)
        Tile::Data::map(
            [&](int i) __attribute__((always_inline)) { return load_first(from[i] + c, rest); },
            give);
    }
}

// Bring near what the next transforms read: nothing is computed with it yet.
template <class Tile>
INLINE void fetch_inputs(const Layout<Tile>& l, const float* x, Range tiles,
                         const float* nothing) {
  for (int64_t plane = 0; plane < l.planes_in; plane++)
    for (int64_t tile = tiles.first; tile < tiles.last; tile++) {
      const float* from[Tile::POSITIONS];
      inputs_of(l, x, tile, plane, nothing, from);
      // Only what the tile before did not fetch: the inner M[0] x M[1] x M[2] of it.
      for (int a = Tile::N[0] - Tile::M[0]; a < Tile::N[0]; a++)
        for (int b = Tile::N[1] - Tile::M[1]; b < Tile::N[1]; b++)
          for (int c = Tile::N[2] - Tile::M[2]; c < Tile::N[2]; c++)
            for (int64_t k = 0; k < l.s.channels; k += LINE)
              __builtin_prefetch(from[(a * Tile::N[1] + b) * Tile::N[2] + c] + k, 0, 2);
    }
}
