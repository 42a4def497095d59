// The inputs of tiles: where they lie, and V = B^T d B.
#pragma once
#include "block.h"

// Where the inputs of a tile lie, in one plane if axis 0 has taps; `nothing` stands for the padding.
template <class Tile>
INLINE At inputs_of(const Layout<Tile>& l, const Place& where, int64_t plane, int64_t nothing,
                    int64_t* own) {
  const Shape& s = l.s;
  int64_t begin[3];
  for (int i = 0; i < 3; i++) begin[i] = where.at[i] - s.pad[i];
  if (s.taps > 1) begin[0] = plane;
  return within(begin, Tile::N, s.in, s.in_stride, where.n, l.in_offsets, nothing, own);
}

// V = B^T d B, for some tiles of a block.
template <class Tile>
inline void transform_inputs(const Block<Tile>& block, const float* x, Range tiles,
                             const float* zeros, float* v) {
  const Layout<Tile>& l = block.l;
  const int64_t nothing = between(x, zeros);
  const int rest = static_cast<int>(l.s.channels % WIDTH);
  const Scattered data(l, [](auto tile) { return typename decltype(tile)::Data{}; });
  int64_t own[Tile::POSITIONS];
  block.each_line(tiles, l.planes_in, [&](const Place& where, int kind, int64_t plane,
                                          int64_t line) {
    const At at = inputs_of(l, where, plane, nothing, own);
    const float* from = x + at.first;
    float* to = v + line * WIDTH;
    int64_t c = 0;
    for (; c + WIDTH <= l.s.channels; c += WIDTH, to += l.lines_in * WIDTH)
      data.whole[kind](from + c, at.offsets, to, l.v_position);
    if (rest) data.first[kind](rest, from + c, at.offsets, to, l.v_position);
  });
}
