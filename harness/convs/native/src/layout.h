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
//   M[p][line][PANEL]                 products of one panel
//   D[p][q][line][PANEL]              transformed gradient of the output
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
  int32_t threads;
};

constexpr int64_t LINE = 16;       // floats of a line of the cache
constexpr int64_t MARGIN = WIDTH;  // between positions: else they share a set of the cache

// Floats of a map above which it pays to fetch it before its turn; measured.
constexpr int64_t FAR_INPUTS = 4 << 20, FAR_OUTPUTS = 1 << 20;

INLINE int64_t blocks_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

// first ... last, without the last: of tiles or of channels.
struct Range {
  int64_t first, last;
  INLINE int64_t size() const { return last - first; }
  INLINE Range part(int64_t i, int64_t count) const {  // the i-th of as many, as even as can be
    return {first + size() * i / count, first + size() * (i + 1) / count};
  }
};

// A layer for one tile. Where weights alone are at work there is no block of tiles.
template <class Tile>
struct Layout {
  const Shape& s;
  int64_t tiles[3], all;                // along the axes, and with the batch
  int64_t block;                        // tiles that are at work at once, or fewer at the end
  int64_t planes_in, planes_out;        // of axis 0 within a block: all of them where it has taps
  int64_t lines_in, lines_out;          // tiles of a block times its planes
  int64_t blocks, panels;               // of input and output channels
  int64_t u_position;                   // floats between positions of U
  int64_t v_position, m_position, d_position;
  int64_t offsets[Tile::POSITIONS];     // of a tile's inputs from its first
  bool far_inputs, far_outputs;         // whether the maps are too large to be near already

  explicit Layout(const Shape& shape, int64_t tiles_of_block = 0) : s(shape) {
    for (int i = 0; i < 3; i++) tiles[i] = blocks_of(s.out[i], Tile::M[i]);
    planes_in = planes_out = 1;
    if (s.taps > 1) tiles[0] = 1, planes_in = s.in[0], planes_out = s.out[0];
    all = s.batch * tiles[0] * tiles[1] * tiles[2];
    block = std::min(tiles_of_block, all);
    lines_in = block * planes_in, lines_out = block * planes_out;
    blocks = blocks_of(s.channels, WIDTH);
    panels = blocks_of(s.filters, PANEL);
    u_position = s.taps * s.channels * PANEL + MARGIN;
    v_position = blocks * lines_in * WIDTH + MARGIN;
    m_position = lines_out * PANEL + MARGIN;
    d_position = panels * lines_out * PANEL + MARGIN;
    for (int a = 0, i = 0; a < Tile::N[0]; a++)
      for (int b = 0; b < Tile::N[1]; b++)
        for (int c = 0; c < Tile::N[2]; c++)
          offsets[i++] = a * s.in_stride[1] + b * s.in_stride[2] + c * s.in_stride[3];
    far_inputs = s.batch * s.in[0] * s.in[1] * s.in[2] * s.channels > FAR_INPUTS;
    far_outputs = s.batch * s.out[0] * s.out[1] * s.out[2] * s.filters > FAR_OUTPUTS;
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

// What stands for the places outside of a map: zeros to read, and room to write to.
struct Edges {
  const float* zeros;
  float* spare;

  Edges(Scratch& scratch, const Shape& s) {
    const int64_t most = std::max(s.channels, s.filters) + PANEL;
    float* memory = scratch.floats(2 * most);
    std::memset(memory, 0, most * sizeof(float));
    zeros = memory, spare = memory + most;
  }
};
