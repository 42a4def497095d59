// Weights: how they lie, U = G g G^T, and blocks of them read and written.
#pragma once
#include "layout.h"

struct Kernel {                    // where the weight of (filter, channel, tap) stands
  int64_t filter_stride, channel_stride, tap_stride[3];
};

struct Weights {                   // either as they are, or transformed (then u is not null)
  const float* w;
  Kernel kernel;
  const float* u;
};

// Transformed weights of panel q for some of its channels: [position][tap][channel][PANEL].
struct Panel {
  int64_t q;
  Range channels;
  int64_t position, tap;           // floats between two of them
  const float* u;
};

// Channels at a time in the transforms: a square block, to be transposed.
constexpr int RUN = WIDTH;
// Channels of a panel that stay in the second cache at all positions.
constexpr int64_t CHUNK = 64;

// block[channel][filter], whichever of the two is contiguous in memory.
INLINE void read_block(const Kernel& k, const float* from, int run, int filters,
                       float (*block)[PANEL]) {
  if (k.filter_stride == 1 && filters == PANEL) {
    for (int j = 0; j < run; j++)
      std::memcpy(block[j], from + j * k.channel_stride, sizeof block[j]);
  } else if (k.channel_stride == 1 && run == WIDTH && filters == PANEL) {
    for (int half = 0; half < PANEL; half += WIDTH) {
      Vec rows[WIDTH];
      for (int f = 0; f < WIDTH; f++) {
        const float* row = from + (half + f) * k.filter_stride;
        rows[f] = load(row);
        __builtin_prefetch(row + 4 * WIDTH);  // no hardware follows so many rows
      }
      transpose(rows);
      for (int j = 0; j < WIDTH; j++) store(block[j] + half, rows[j]);
    }
  } else {
    for (int f = 0; f < filters; f++)
      for (int j = 0; j < run; j++)
        block[j][f] = from[f * k.filter_stride + j * k.channel_stride];
  }
}

INLINE void write_block(const Kernel& k, const float (*block)[PANEL], int run, int filters,
                        float* to) {
  if (k.channel_stride == 1 && run == WIDTH && filters == PANEL) {
    for (int half = 0; half < PANEL; half += WIDTH) {
      Vec rows[WIDTH];
      for (int j = 0; j < WIDTH; j++) rows[j] = load(block[j] + half);
      transpose(rows);
      for (int f = 0; f < WIDTH; f++) store(to + (half + f) * k.filter_stride, rows[f]);
    }
  } else {
    for (int f = 0; f < filters; f++)
      for (int j = 0; j < run; j++)
        to[f * k.filter_stride + j * k.channel_stride] = block[j][f];
  }
}

// The first weight of panel q, for a tap of axis 0 where that is summed directly, and channel c.
template <class Pointer>
INLINE Pointer first_weight(const Shape& s, const Kernel& k, Pointer w, int64_t q, int64_t tap,
                            int64_t c) {
  return w + q * PANEL * k.filter_stride + c * k.channel_stride +
         (s.taps > 1 ? tap * k.tap_stride[0] : 0);
}

// call(i, offset) for the taps of the transformed axes.
template <class Tile, class Call>
INLINE void each_tap(const Kernel& k, Call call) {
  for (int a = 0, i = 0; a < Tile::R[0]; a++)
    for (int b = 0; b < Tile::R[1]; b++)
      for (int c = 0; c < Tile::R[2]; c++, i++)
        call(i, a * k.tap_stride[0] + b * k.tap_stride[1] + c * k.tap_stride[2]);
}

// U = G g G^T, written to what `panel` describes.
template <class Tile>
inline void transform_panel(const Layout<Tile>& l, const Kernel& k, const float* w,
                            const Panel& panel, float* u) {
  const Shape& s = l.s;
  const int filters = static_cast<int>(std::min<int64_t>(PANEL, s.filters - panel.q * PANEL));
  alignas(64) float block[Tile::TAPS][RUN][PANEL] = {};
  for (int64_t tap = 0; tap < s.taps; tap++)
    for (int64_t c = panel.channels.first; c < panel.channels.last; c += RUN) {
      const int run = static_cast<int>(std::min<int64_t>(RUN, panel.channels.last - c));
      const float* from = first_weight(s, k, w, panel.q, tap, c);
      each_tap<Tile>(k, [&](int i, int64_t offset) {
        read_block(k, from + offset, run, filters, block[i]);
      });
      for (int j = 0; j < run; j++)
        for (int half = 0; half < PANEL; half += WIDTH) {
          float* to = u + tap * panel.tap + (c - panel.channels.first + j) * PANEL + half;
          Tile::Kernel::even(block[0][j] + half, RUN * PANEL, to, panel.position);
        }
    }
}

// Panel q of all transformed weights.
template <class Tile>
INLINE Panel whole_panel(const Layout<Tile>& l, const float* u, int64_t q) {
  return {q, {0, l.s.channels}, l.u_position, l.s.channels * PANEL,
          u + q * l.u_panel};
}

// Panel q for some channels, transformed now.
template <class Tile>
inline Panel transformed(const Layout<Tile>& l, const Weights& weights, int64_t q, Range channels,
                         Scratch& scratch) {
  const int64_t tap = channels.size() * PANEL, position = l.s.taps * tap + MARGIN;
  float* u = scratch.floats(Tile::POSITIONS * position);
  const Panel panel{q, channels, position, tap, u};
  transform_panel(l, weights.kernel, weights.w, panel, u);
  return panel;
}

// Floats of all transformed weights.
template <class Tile>
inline int64_t transformed_size(const Layout<Tile>& l) {
  return l.panels * l.u_panel;
}

template <class Tile>
inline void transform_weights(const Layout<Tile>& l, const Kernel& k, const float* w, float* u,
                              int threads) {
  parallel_for(l.panels, threads, [&](int64_t begin, int64_t end) {
    for (int64_t q = begin; q < end; q++)
      transform_panel(l, k, w, whole_panel(l, u, q), u + q * l.u_panel);
  });
}
