// A convolution by minimal filtering cut into tiles: the sizes that all of its steps share.
//
// Reference: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
// section 4, Algorithm 1, and section 4.2 for the gradients.
//
// Maps are channels-last: channels are contiguous, the batch and three axes have any strides. So
// one tile of <1, 4, 4> serves 3 x 3 kernels in any two axes of a clip; Python orders them.
//
// What lies between the transforms, for each position p of a tile, `lines` being tiles x planes:
//   V[p][channel block][line][WIDTH]  transformed input
//   U[q][p][tap][channel][PANEL]      transformed weights, q a panel of output channels
//   M[p][q][line][PANEL]              products of one panel or of several
//   D[p][q][line][PANEL]              transformed gradient of the output
// Tiles at the end of a map that have fewer outputs left take fewer positions: a map of 14 is cut
// into 4 + 4 + 4 + 2, which takes 6 + 6 + 6 + 4 products along an axis and not 24.
// "Taps" are those of axis 0 where it is not transformed but has a kernel all the same: on two or
// three frames that costs no more products than a transform, and far fewer additions.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "parallel.h"
#include "products.h"
#include "transforms.h"

struct Shape {
  int64_t batch, in[3], out[3], pad[3];
  int64_t channels, filters;            // of the input and of the output
  int64_t in_stride[4], out_stride[4];  // of the batch and the axes, in floats
  int64_t taps;                         // 1, or 3 where axis 0 is summed directly
};

struct Schedule {
  int64_t tiles;                        // of a block
  int32_t by_panels;                    // threads share output channels, else tiles
  int32_t positions_first;              // a position of all panels comes before the next position
  int32_t threads;
};

constexpr int64_t LINE = 16;       // floats of a line of the cache
constexpr int64_t MARGIN = WIDTH;  // between positions: else they share a set of the cache

// Floats above which it pays to fetch maps, or weights, before their turn; measured.
constexpr int64_t FAR_MAPS = 1 << 20, FAR_WEIGHTS = 1 << 18;

INLINE int64_t blocks_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

// first ... last, without the last: of tiles or of channels.
struct Range {
  int64_t first, last;
  INLINE int64_t size() const { return last - first; }
  INLINE Range part(int64_t i, int64_t count) const {  // the i-th of as many, as even as can be
    return {first + size() * i / count, first + size() * (i + 1) / count};
  }
};

// The tiles of a map by where they stand, since those at its end may be short; in this order within
// a block, where those that take part in a position then follow one another.
enum Kind { BOTTOM, INNER, RIGHT, CORNER, KINDS };

// A layer for one tile. Where weights alone are at work there is no block of tiles.
template <class Tile>
struct Layout {
  const Shape& s;
  int64_t tiles[3], all;                // along the axes, and with the batch
  int64_t block;                        // tiles that are at work at once, or fewer at the end
  int64_t planes_in, planes_out;        // of axis 0 within a block: all of them where it has taps
  int64_t lines_in, lines_out;          // tiles of a block times its planes
  int64_t blocks, panels;               // of input and output channels
  int64_t u_position, u_panel;          // floats between positions of U, and between its panels
  int64_t v_position, d_position;
  int64_t in_offsets[Tile::POSITIONS], out_offsets[Tile::OUTPUTS];  // of a tile's, from its first
  bool far_inputs, far_outputs, far_weights;  // whether they are too large to be near already
  int64_t left[2] = {Tile::M[1], Tile::M[2]};  // outputs of the last tile along axes 1 and 2

  // Panels of U have all `positions` of three axes where these tiles are those of the last two.
  explicit Layout(const Shape& shape, int64_t tiles_of_block = 0,
                  int64_t positions = Tile::POSITIONS)
      : s(shape) {
    for (int i = 0; i < 3; i++) tiles[i] = blocks_of(s.out[i], Tile::M[i]);
    if (Tile::MAY_BE_SHORT) {
      left[0] = outputs_left<Tile::M[1]>(s.out[1] - (tiles[1] - 1) * Tile::M[1]);
      left[1] = outputs_left<Tile::M[2]>(s.out[2] - (tiles[2] - 1) * Tile::M[2]);
    }
    planes_in = planes_out = 1;
    if (s.taps > 1) tiles[0] = 1, planes_in = s.in[0], planes_out = s.out[0];
    all = s.batch * tiles[0] * tiles[1] * tiles[2];
    block = std::min(tiles_of_block, all);
    lines_in = block * planes_in, lines_out = block * planes_out;
    blocks = blocks_of(s.channels, WIDTH);
    panels = blocks_of(s.filters, PANEL);
    u_position = s.taps * s.channels * PANEL + MARGIN, u_panel = positions * u_position;
    v_position = blocks * lines_in * WIDTH + MARGIN;
    d_position = panels * lines_out * PANEL + MARGIN;
    spread(Tile::N, s.in_stride, in_offsets);
    spread(Tile::M, s.out_stride, out_offsets);
    far_inputs = s.batch * s.in[0] * s.in[1] * s.in[2] * s.channels > FAR_MAPS;
    far_outputs = s.batch * s.out[0] * s.out[1] * s.out[2] * s.filters > FAR_MAPS;
    far_weights = panels * Tile::POSITIONS * u_position > FAR_WEIGHTS;
  }

  // Of panel q, those that are not empty.
  INLINE int64_t vectors(int64_t q) const {
    return blocks_of(std::min<int64_t>(s.filters - q * PANEL, PANEL), WIDTH);
  }
  INLINE bool short_rows() const { return left[0] < Tile::M[1]; }
  INLINE bool short_columns() const { return left[1] < Tile::M[2]; }
  // call(Short<...>{}) for the transforms of tiles of a kind.
  template <class Call>
  INLINE auto with_transforms(int kind, Call call) const {
    const bool row = kind == BOTTOM || kind == CORNER, column = kind == RIGHT || kind == CORNER;
    return Tile::with_short(row ? left[0] : Tile::M[1], column ? left[1] : Tile::M[2], call);
  }

  static void spread(const int (&size)[3], const int64_t (&stride)[4], int64_t* offsets) {
    for (int a = 0; a < size[0]; a++)
      for (int b = 0; b < size[1]; b++)
        for (int c = 0; c < size[2]; c++)
          *offsets++ = a * stride[1] + b * stride[2] + c * stride[3];
  }
};

// Where the outputs of a tile begin.
struct Place {
  int64_t n, at[3];
};
template <class Tile>
INLINE Place place(const Layout<Tile>& l, int64_t tile) {
  Place where;
  where.at[2] = tile % l.tiles[2] * Tile::M[2], tile /= l.tiles[2];
  where.at[1] = tile % l.tiles[1] * Tile::M[1], tile /= l.tiles[1];
  where.at[0] = tile % l.tiles[0] * Tile::M[0], where.n = tile / l.tiles[0];
  return where;
}
// The next tile.
template <class Tile>
INLINE void advance(const Layout<Tile>& l, Place& where) {
  for (int axis = 2; axis >= 0; axis--) {
    if ((where.at[axis] += Tile::M[axis]) < l.tiles[axis] * Tile::M[axis]) return;
    where.at[axis] = 0;
  }
  where.n++;
}

// The vectors of a tile lie at map + first + offsets[i].
struct At {
  int64_t first;
  const int64_t* offsets;
};

// Those of `size` from place `begin` of a map: the `usual` offsets if it lies within, else those
// that are written to `own`, where `beyond` stands for the places outside.
INLINE At within(const int64_t (&begin)[3], const int (&size)[3], const int64_t (&map)[3],
                 const int64_t (&stride)[4], int64_t n, const int64_t* usual, int64_t beyond,
                 int64_t* own) {
  const int64_t sample = n * stride[0];
  bool whole = true;
  for (int i = 0; i < 3; i++) whole &= begin[i] >= 0 && begin[i] + size[i] <= map[i];
  if (whole)
    return {sample + begin[0] * stride[1] + begin[1] * stride[2] + begin[2] * stride[3], usual};
  for (int64_t a = begin[0]; a < begin[0] + size[0]; a++)
    for (int64_t b = begin[1]; b < begin[1] + size[1]; b++)
      for (int64_t c = begin[2]; c < begin[2] + size[2]; c++) {
        const bool seen = a >= 0 && a < map[0] && b >= 0 && b < map[1] && c >= 0 && c < map[2];
        *own++ = seen ? a * stride[1] + b * stride[2] + c * stride[3] : beyond - sample;
      }
  return {sample, own - size[0] * size[1] * size[2]};
}

// From one address to another, in floats.
INLINE int64_t between(const float* from, const float* to) {
  return (reinterpret_cast<intptr_t>(to) - reinterpret_cast<intptr_t>(from)) /
         static_cast<intptr_t>(sizeof(float));
}

// What stands for the places outside of a map: zeros to read, and room to write to.
struct Edges {
  const float* zeros;
  float* spare;

  Edges(Scratch& scratch, const Shape& s) {
    const int64_t most = std::max(s.channels, s.filters) + PANEL;
    float* memory = scratch.floats(2 * (most + LINE));
    std::memset(memory, 0, (most + LINE) * sizeof(float));
    zeros = memory + LINE / 2;  // a map may begin between two floats, and its zeros then do
    spare = memory + most + LINE + LINE / 2;
  }
};
