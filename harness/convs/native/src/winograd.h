// Convolution by minimal filtering, forward and both gradients, for one size of tile.
//
// Reference: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
// section 4, Algorithm 1, and section 4.2 for the gradients.
//
// Maps are channels-last: channels are contiguous, the batch and three axes have any strides. So
// one tile of <1, 4, 4> serves 3 x 3 kernels in any two axes of a clip; the Python side orders them.
//
// What lies between the transforms, for each position p of a tile, `lines` being tiles x planes:
//   V[p][channel block][line][WIDTH]  transformed input
//   U[q][p][tap][channel][PANEL]      transformed weights, q a panel of output channels
//   M[p][line][PANEL]                 products of one panel
// "Taps" are those of axis 0 where it is not transformed but has a kernel all the same: on two or
// three frames that costs no more products than a transform, and far fewer additions.
#pragma once
#include "parallel.h"
#include "products.h"
#include "transforms.h"

struct Shape {
  int64_t batch, in[3], out[3], pad[3];
  int64_t channels, filters;      // of the input and of the output
  int64_t in_stride[4], out_stride[4];  // of the batch and the axes, in floats
  int64_t taps;                   // 1, or 3 where axis 0 is summed directly
};

struct Kernel {                    // where the weight of (filter, channel, tap) stands
  int64_t filter_stride, channel_stride, tap_stride[3];
};

struct Weights {                   // either as they are, or transformed (then u is not null)
  const float* w;
  Kernel kernel;
  const float* u;
};

struct Output {
  float* y;
  const float* bias;               // of each filter, or null
  const float* residual;           // lies as y does and is added, or null
  bool relu;
};

struct Schedule {
  int64_t tiles;                   // of a block
  int32_t by_panels;               // threads share output channels, else tiles
  int32_t threads;
};

INLINE int64_t blocks_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

template <int M0, int M1, int M2>
struct Winograd {
  using A0 = Axis<M0>;
  using A1 = Axis<M1>;
  using A2 = Axis<M2>;
  static constexpr int POSITIONS = A0::N * A1::N * A2::N, OUTPUTS = M0 * M1 * M2;
  static constexpr int TAPS = A0::TAPS * A1::TAPS * A2::TAPS;
  static constexpr int64_t LINE = 16;       // floats of a line of the cache
  static constexpr int64_t MARGIN = WIDTH;  // between positions: else they share a set of the cache

  // Floats of a map above which it pays to fetch it before its turn; measured.
  static constexpr int64_t FAR_INPUTS = 4 << 20, FAR_OUTPUTS = 1 << 20;

  // The sizes that all steps share.
  struct Layout {
    const Shape& s;
    int64_t tiles[3], all;         // along the axes, and with the batch
    int64_t planes_in, planes_out; // of axis 0 within a block: all of them where it has taps
    int64_t blocks, panels;        // of input and output channels
    int64_t panel;                 // floats of U between positions
    int64_t offsets[POSITIONS];    // of a tile's inputs from its first
    bool far_inputs, far_outputs;  // whether the maps are too large to be near already

    explicit Layout(const Shape& shape) : s(shape) {
      const int64_t m[3] = {M0, M1, M2};
      for (int i = 0; i < 3; i++) tiles[i] = blocks_of(s.out[i], m[i]);
      planes_in = planes_out = 1;
      if (s.taps > 1) tiles[0] = 1, planes_in = s.in[0], planes_out = s.out[0];
      all = s.batch * tiles[0] * tiles[1] * tiles[2];
      blocks = blocks_of(s.channels, WIDTH);
      panels = blocks_of(s.filters, PANEL);
      panel = s.taps * s.channels * PANEL + MARGIN;
      far_inputs = s.batch * s.in[0] * s.in[1] * s.in[2] * s.channels > FAR_INPUTS;
      far_outputs = s.batch * s.out[0] * s.out[1] * s.out[2] * s.filters > FAR_OUTPUTS;
      for (int a = 0, i = 0; a < A0::N; a++)
        for (int b = 0; b < A1::N; b++)
          for (int c = 0; c < A2::N; c++)
            offsets[i++] = a * s.in_stride[1] + b * s.in_stride[2] + c * s.in_stride[3];
    }
    int64_t v_position(int64_t lines) const { return blocks * lines * WIDTH + MARGIN; }
  };

  struct Place {
    int64_t n, at[3];
  };
  static INLINE Place place(const Layout& l, int64_t tile) {
    Place where;
    where.at[2] = tile % l.tiles[2] * M2, tile /= l.tiles[2];
    where.at[1] = tile % l.tiles[1] * M1, tile /= l.tiles[1];
    where.at[0] = tile % l.tiles[0] * M0, where.n = tile / l.tiles[0];
    return where;
  }

  // What stands for the places outside of a map: zeros to read, and room to write to.
  struct Edges {
    float *zeros, *spare;
    Edges(Scratch& scratch, const Layout& l) {
      const int64_t most = std::max(l.s.channels, l.s.filters) + PANEL;
      zeros = scratch.floats(2 * most);
      spare = zeros + most;
      std::memset(zeros, 0, most * sizeof(float));
    }
  };

  // The inputs of a tile, `nothing` where it reaches into the padding.
  static INLINE void inputs(const Layout& l, const float* x, int64_t tile, int64_t plane,
                            const float* nothing, const float** from) {
    const Shape& s = l.s;
    const Place where = place(l, tile);
    int64_t first[3];
    for (int i = 0; i < 3; i++) first[i] = where.at[i] - s.pad[i];
    if (s.taps > 1) first[0] = plane;
    const float* base = x + where.n * s.in_stride[0];
    const bool inside = first[0] >= 0 && first[0] + A0::N <= s.in[0] && first[1] >= 0 &&
                        first[1] + A1::N <= s.in[1] && first[2] >= 0 && first[2] + A2::N <= s.in[2];
    if (inside) {
      base += first[0] * s.in_stride[1] + first[1] * s.in_stride[2] + first[2] * s.in_stride[3];
      for (int i = 0; i < POSITIONS; i++) from[i] = base + l.offsets[i];
      return;
    }
    const auto within = [&](int axis, int64_t i) { return i >= 0 && i < s.in[axis]; };
    for (int a = 0, i = 0; a < A0::N; a++)
      for (int b = 0; b < A1::N; b++)
        for (int c = 0; c < A2::N; c++, i++) {
          const int64_t t = first[0] + a, h = first[1] + b, w = first[2] + c;
          const bool seen = within(0, t) && within(1, h) && within(2, w);
          from[i] = seen ? base + t * s.in_stride[1] + h * s.in_stride[2] + w * s.in_stride[3]
                         : nothing;
        }
  }

  // The outputs of a tile, `nowhere` where it ends beyond the map.
  template <class Pointer>
  static INLINE void outputs(const Layout& l, Pointer y, int64_t tile, int64_t plane,
                             Pointer nowhere, Pointer* to) {
    const Shape& s = l.s;
    const Place where = place(l, tile);
    const Pointer base = y + where.n * s.out_stride[0];
    for (int a = 0, i = 0; a < M0; a++)
      for (int b = 0; b < M1; b++)
        for (int c = 0; c < M2; c++, i++) {
          const int64_t t = (s.taps > 1 ? plane : where.at[0]) + a, h = where.at[1] + b,
                        w = where.at[2] + c;
          const bool seen = t < s.out[0] && h < s.out[1] && w < s.out[2];
          to[i] = seen ? base + t * s.out_stride[1] + h * s.out_stride[2] + w * s.out_stride[3]
                       : nowhere;
        }
  }

  // V = B^T d B for the tiles first ... last of a block that holds `tiles` of them.
  static void transform_inputs(const Layout& l, const float* x, int64_t start, int64_t first,
                               int64_t last, int64_t tiles, const float* nothing, float* v) {
    const int64_t lines = tiles * l.planes_in, position = l.v_position(lines);
    const int rest = static_cast<int>(l.s.channels % WIDTH);
    for (int64_t tile = first; tile < last; tile++)
      for (int64_t plane = 0; plane < l.planes_in; plane++) {
        const float* from[POSITIONS];
        inputs(l, x, tile, plane, nothing, from);
        float* to = v + (plane * tiles + tile - start) * WIDTH;
        const auto give = [&](int i, Vec value)
                              __attribute__((always_inline)) { store(to + i * position, value); };
        int64_t c = 0;
        for (; c + WIDTH <= l.s.channels; c += WIDTH, to += lines * WIDTH)
          nest<typename A0::Data, typename A1::Data, typename A2::Data>(
              [&](int i) __attribute__((always_inline)) { return load(from[i] + c); }, give);
        if (rest)
          nest<typename A0::Data, typename A1::Data, typename A2::Data>(
              [&](int i)
                  __attribute__((always_inline)) { return load_first(from[i] + c, rest); },
              give);
      }
  }

  // Transformed weights of one panel for the channels first ... last: [position][tap][channel].
  struct Panel {
    const float* u;
    int64_t position, tap, first, last;
  };

  // M (+)= sum over taps and the panel's channels of U V, for one position.
  static INLINE void products(const Layout& l, const float* v, const Panel& w, int64_t p,
                              int64_t q, int64_t tiles, int64_t count, float* m) {
    const int64_t lines = tiles * l.planes_in;
    const float *u = w.u + p * w.position, *in = v + p * l.v_position(lines);
    in += w.first / WIDTH * lines * WIDTH;
    if (l.s.taps == 1) return product(l, in, lines * WIDTH, u, w, q, count, m, w.first > 0);
    if (w.first == 0) std::memset(m, 0, l.planes_out * tiles * PANEL * sizeof(float));
    for (int64_t tap = 0; tap < l.s.taps; tap++)
      for (int64_t plane = 0; plane < l.planes_out; plane++) {
        const int64_t from = plane + tap - l.s.pad[0];
        if (from >= 0 && from < l.planes_in)
          product(l, in + from * tiles * WIDTH, lines * WIDTH, u + tap * w.tap, w, q, count,
                  m + plane * tiles * PANEL, true);
      }
  }

  static INLINE void product(const Layout& l, const float* v, int64_t block, const float* u,
                             const Panel& w, int64_t q, int64_t count, float* m,
                             bool accumulate) {
    const bool narrow = l.s.filters - q * PANEL <= WIDTH;
    const int64_t groups = blocks_of(count, ROWS), rows = blocks_of(count, groups);
    const int64_t ahead = PANEL * sizeof(float) / groups, channels = w.last - w.first;
    for (int64_t c = 0; c < channels; c += DEPTH) {
      const int64_t depth = std::min(DEPTH, channels - c);
      const char* next = reinterpret_cast<const char*>(u + (c + depth) * PANEL);
      for (int64_t row = 0; row < count; row += rows, next += depth * ahead)
        multiply_rows(std::min(rows, count - row), narrow,
                      v + c / WIDTH * block + row * WIDTH, block, u + c * PANEL, depth,
                      m + row * PANEL, accumulate || c > 0, next, ahead);
    }
  }

  // Channels at a time: a panel of their weights stays in the first cache, and the panel at all
  // positions in the second.
  static constexpr int64_t DEPTH = 256, CHUNK = 64;

  template <class... Arguments>
  static INLINE void multiply_rows(int64_t rows, bool narrow, Arguments... arguments) {
    using Multiply = void (*)(Arguments...);
    static constexpr Multiply kernels[2][13] = {
        {nullptr, multiply<1, 2>, multiply<2, 2>, multiply<3, 2>, multiply<4, 2>, multiply<5, 2>,
         multiply<6, 2>, multiply<7, 2>, multiply<8, 2>, multiply<9, 2>, multiply<10, 2>,
         multiply<11, 2>, multiply<12, 2>},
        {nullptr, multiply<1, 1>, multiply<2, 1>, multiply<3, 1>, multiply<4, 1>, multiply<5, 1>,
         multiply<6, 1>, multiply<7, 1>, multiply<8, 1>, multiply<9, 1>, multiply<10, 1>,
         multiply<11, 1>, multiply<12, 1>}};
    kernels[narrow][rows](arguments...);
  }

  // Y = A^T M A, with bias, residual and ReLU, for one panel of the tiles first ... last.
  static void transform_outputs(const Layout& l, const float* m, int64_t position, int64_t first,
                                int64_t last, int64_t tiles, int64_t q, const Output& out,
                                const Edges& edges) {
    for (int64_t plane = 0; plane < l.planes_out; plane++)
      for (int64_t tile = first; tile < last; tile++) {
        float* to[OUTPUTS];
        const float* plus[OUTPUTS];
        outputs(l, out.y, tile, plane, edges.spare, to);
        if (out.residual) outputs(l, out.residual, tile, plane, static_cast<const float*>(edges.zeros), plus);
        const float* from = m + (plane * tiles + tile - first) * PANEL;
        for (int64_t k = q * PANEL; k < std::min(l.s.filters, (q + 1) * PANEL);
             k += WIDTH, from += WIDTH) {
          const int some = static_cast<int>(std::min<int64_t>(WIDTH, l.s.filters - k));
          const Vec bias = out.bias ? load_first(out.bias + k, some) : Vec{};
          const auto take = [&](int i) __attribute__((always_inline)) {
            return load(from + i * position);
          };
          const auto finished = [&](int i, Vec value) __attribute__((always_inline)) {
            value += bias;
            if (out.residual)
              value += some == WIDTH ? load(plus[i] + k) : load_first(plus[i] + k, some);
            return out.relu ? (value < 0 ? Vec{} : value) : value;  // keeps what is no number
          };
          if (some == WIDTH)
            nest<typename A0::Inverse, typename A1::Inverse, typename A2::Inverse>(
                take, [&](int i, Vec value)
                          __attribute__((always_inline)) { store(to[i] + k, finished(i, value)); });
          else
            nest<typename A0::Inverse, typename A1::Inverse, typename A2::Inverse>(
                take, [&](int i, Vec value) __attribute__((always_inline)) {
                  store_first(to[i] + k, finished(i, value), some);
                });
        }
      }
  }

  // Bring near what the next steps read and write: nothing is computed with it yet.
  static INLINE void fetch_outputs(const Layout& l, const Output& out, int64_t first, int64_t last,
                                   int64_t q, const Edges& edges) {
    for (int64_t plane = 0; plane < l.planes_out; plane++)
      for (int64_t tile = first; tile < last; tile++) {
        float* to[OUTPUTS];
        outputs(l, out.y, tile, plane, edges.spare, to);
        for (int i = 0; i < OUTPUTS; i++)
          for (int v = 0; v < PANEL; v += LINE) __builtin_prefetch(to[i] + q * PANEL + v, 1, 2);
        if (out.residual == nullptr) continue;
        const float* plus[OUTPUTS];
        outputs(l, out.residual, tile, plane, static_cast<const float*>(edges.zeros), plus);
        for (int i = 0; i < OUTPUTS; i++)
          for (int v = 0; v < PANEL; v += LINE) __builtin_prefetch(plus[i] + q * PANEL + v, 0, 2);
      }
  }
  static INLINE void fetch_inputs(const Layout& l, const float* x, int64_t first, int64_t last,
                           const float* nothing) {
    for (int64_t plane = 0; plane < l.planes_in; plane++)
      for (int64_t tile = first; tile < last; tile++) {
        const float* from[POSITIONS];
        inputs(l, x, tile, plane, nothing, from);
        // Only what the tile before did not fetch: the inner M0 x M1 x M2 of it.
        for (int a = A0::N - M0; a < A0::N; a++)
          for (int b = A1::N - M1; b < A1::N; b++)
            for (int c = A2::N - M2; c < A2::N; c++)
              for (int64_t k = 0; k < l.s.channels; k += LINE)
                __builtin_prefetch(from[(a * A1::N + b) * A2::N + c] + k, 0, 2);
      }
  }

  static void forward(const Shape& s, const Schedule& schedule, const float* x,
                      const Weights& weights, const Output& out) {
    static thread_local Scratch for_u;
    const Layout l(s);
    if (l.all == 0) return;
    const bool once = schedule.by_panels && schedule.tiles >= l.all;
    const float* u = weights.u;
    if (u == nullptr && !once) {
      float* all = for_u.floats(l.panels * POSITIONS * l.panel);
      transform_weights(s, weights.kernel, weights.w, all, schedule.threads);
      u = all;
    }
    if (schedule.by_panels) by_panels(l, schedule, x, weights, u, out);
    else by_blocks(l, schedule, x, u, out);
  }

  // Threads share the tiles: what a block of them needs stays in the second cache.
  static void by_blocks(const Layout& l, const Schedule& schedule, const float* x, const float* u,
                        const Output& out) {
    const int64_t tiles = std::min(schedule.tiles, l.all);
    const int64_t position = tiles * l.planes_out * PANEL + MARGIN;
    parallel_for(blocks_of(l.all, tiles), schedule.threads, [&](int64_t begin, int64_t end) {
      static thread_local Scratch for_v, for_m, for_edges;
      float* v = for_v.floats(POSITIONS * l.v_position(tiles * l.planes_in));
      float* m = for_m.floats(POSITIONS * position);
      const Edges edges(for_edges, l);
      const int64_t stop = std::min(end * tiles, l.all), steps = l.panels * POSITIONS;
      for (int64_t start = begin * tiles; start < stop; start += tiles) {
        const int64_t last = std::min(stop, start + tiles), next = std::min(stop, last + tiles);
        transform_inputs(l, x, start, start, last, tiles, edges.zeros, v);
        for (int64_t q = 0; q < l.panels; q++) {
          for (int64_t p = 0; p < POSITIONS; p++) {
            products(l, v, whole_panel(l, u, q), p, q, tiles, last - start, m + p * position);
            // The next loads and stores of large maps, spread evenly beside the products.
            const int64_t step = q * POSITIONS + p, here = last - start, there = next - last;
            if (l.far_outputs)
              fetch_outputs(l, out, start + here * p / POSITIONS,
                            start + here * (p + 1) / POSITIONS, q, edges);
            if (l.far_inputs)
              fetch_inputs(l, x, last + there * step / steps, last + there * (step + 1) / steps,
                           edges.zeros);
          }
          transform_outputs(l, m, position, start, last, tiles, q, out, edges);
        }
      }
    });
  }

  // Threads share the output channels: for few tiles under many channels, whose weights no cache
  // holds. Weights that are not transformed yet are transformed panel by panel as they are used.
  static void by_panels(const Layout& l, const Schedule& schedule, const float* x,
                        const Weights& weights, const float* u, const Output& out) {
    static thread_local Scratch for_v;
    const int64_t tiles = std::min(schedule.tiles, l.all);
    const int64_t position = tiles * l.planes_out * PANEL + MARGIN;
    float* v = for_v.floats(POSITIONS * l.v_position(tiles * l.planes_in));
    for (int64_t start = 0; start < l.all; start += tiles) {
      const int64_t count = std::min(l.all - start, tiles);
      parallel_for(count, schedule.threads, [&](int64_t begin, int64_t end) {
        static thread_local Scratch for_edges;
        const Edges edges(for_edges, l);
        transform_inputs(l, x, start, start + begin, start + end, tiles, edges.zeros, v);
      });
      parallel_for(l.panels, schedule.threads, [&](int64_t begin, int64_t end) {
        static thread_local Scratch for_m, for_edges, for_panel;
        float* m = for_m.floats(POSITIONS * position);
        const Edges edges(for_edges, l);
        for (int64_t q = begin; q < end; q++) {
          const int64_t step = u == nullptr ? 2 * CHUNK : l.s.channels;
          for (int64_t c = 0; c < l.s.channels; c += step) {
            const int64_t last = std::min(c + step, l.s.channels);
            const Panel panel =
                u == nullptr ? transformed(l, weights, q, c, last, for_panel) : whole_panel(l, u, q);
            for (int64_t p = 0; p < POSITIONS; p++)
              products(l, v, panel, p, q, tiles, count, m + p * position);
          }
          transform_outputs(l, m, position, start, start + count, tiles, q, out, edges);
        }
      });
    }
  }

  static INLINE Panel whole_panel(const Layout& l, const float* u, int64_t q) {
    return {u + q * POSITIONS * l.panel, l.panel, l.s.channels * PANEL, 0, l.s.channels};
  }
  static Panel transformed(const Layout& l, const Weights& weights, int64_t q, int64_t first,
                           int64_t last, Scratch& scratch) {
    const int64_t tap = (last - first) * PANEL, position = l.s.taps * tap + MARGIN;
    float* u = scratch.floats(POSITIONS * position);
    const Panel panel{u, position, tap, first, last};
    transform_panel(l, weights.kernel, weights.w, q, panel, u);
    return panel;
  }

  // U = G g G^T.
  static int64_t size(const Shape& s) {
    const Layout l(s);
    return l.panels * POSITIONS * l.panel;
  }

  static void transform_weights(const Shape& s, const Kernel& k, const float* w, float* u,
                                int threads) {
    const Layout l(s);
    parallel_for(l.panels, threads, [&](int64_t begin, int64_t end) {
      for (int64_t q = begin; q < end; q++)
        transform_panel(l, k, w, q, whole_panel(l, u, q), u + q * POSITIONS * l.panel);
    });
  }

  // Channels at a time in the transforms of weights: a square block, to be transposed.
  static constexpr int RUN = WIDTH;

  static void transform_panel(const Layout& l, const Kernel& k, const float* w, int64_t q,
                              const Panel& panel, float* u) {
    const Shape& s = l.s;
    const int filters = static_cast<int>(std::min<int64_t>(PANEL, s.filters - q * PANEL));
    alignas(64) float block[TAPS][RUN][PANEL] = {};
    for (int64_t tap = 0; tap < s.taps; tap++)
      for (int64_t c = panel.first; c < panel.last; c += RUN) {
        const int run = static_cast<int>(std::min<int64_t>(RUN, panel.last - c));
        const float* from = first_weight(l, k, w, q, tap, c);
        each_tap(k, [&](int i, int64_t offset) {
          read_block(k, from + offset, run, filters, block[i]);
        });
        for (int j = 0; j < run; j++)
          for (int half = 0; half < PANEL; half += WIDTH) {
            float* to = u + tap * panel.tap + (c - panel.first + j) * PANEL + half;
            nest<typename A0::Kernel, typename A1::Kernel, typename A2::Kernel>(
                [&](int i) __attribute__((always_inline)) { return load(block[i][j] + half); },
                [&](int i, Vec value)
                    __attribute__((always_inline)) { store(to + i * panel.position, value); });
          }
      }
  }

  template <class Pointer>
  static INLINE Pointer first_weight(const Layout& l, const Kernel& k, Pointer w, int64_t q,
                                     int64_t tap, int64_t c) {
    return w + q * PANEL * k.filter_stride + c * k.channel_stride +
           (l.s.taps > 1 ? tap * k.tap_stride[0] : 0);
  }

  // block[channel][filter], whichever of the two is contiguous in memory.
  static INLINE void read_block(const Kernel& k, const float* from, int run, int filters,
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

  static INLINE void write_block(const Kernel& k, const float (*block)[PANEL], int run, int filters,
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

  // dg = G^T [sum over tiles of V D] G with D = A dY A^T: the transpose of `forward` in its weights.
  // x and dy lie as x and y do in `forward`; `dw` is written, not added to.
  static void weight_gradient(const Shape& s, const Schedule& schedule, const Kernel& k,
                              const float* x, const float* dy, float* dw) {
    static thread_local Scratch for_v, for_d, for_u;
    const Layout l(s);
    const int64_t tiles = std::min(schedule.tiles, l.all);
    const int64_t panel = tiles * l.planes_out * PANEL, position = l.panels * panel + MARGIN;
    const int64_t chunks = blocks_of(s.channels, CHUNK), items = l.panels * s.taps * chunks;
    float* v = for_v.floats(POSITIONS * l.v_position(tiles * l.planes_in));
    float* d = for_d.floats(POSITIONS * position);
    // With one block, a chunk of dU is gathered while it is in the cache; else all of it is kept.
    const bool once = tiles >= l.all;
    float* du = once ? nullptr : for_u.floats(items * SUMS);
    for (int64_t start = 0; start < l.all; start += tiles) {
      const int64_t count = std::min(l.all - start, tiles);
      parallel_for(count, schedule.threads, [&](int64_t begin, int64_t end) {
        static thread_local Scratch for_edges;
        const Edges edges(for_edges, l);
        transform_inputs(l, x, start, start + begin, start + end, tiles, edges.zeros, v);
        spread_gradients(l, dy, start, start + begin, start + end, tiles, edges.zeros, panel,
                         position, d);
      });
      const auto sum = [&](int64_t i, int64_t p, float* sums) {
        const int64_t q = i / (s.taps * chunks), tap = i / chunks % s.taps;
        updates(l, v + p * l.v_position(tiles * l.planes_in), d + p * position + q * panel,
                i % chunks * CHUNK, tap, tiles, count, start > 0, sums + p * (SUMS / POSITIONS));
      };
      const auto gather = [&](int64_t i, const float* sums) {
        const int64_t q = i / (s.taps * chunks), tap = i / chunks % s.taps;
        gather_weights(l, k, sums, q, tap, i % chunks * CHUNK, dw);
      };
      if (once) {
        parallel_for(items, schedule.threads, [&](int64_t begin, int64_t end) {
          static thread_local Scratch for_sums;
          float* sums = for_sums.floats(SUMS);
          for (int64_t i = begin; i < end; i++) {
            for (int64_t p = 0; p < POSITIONS; p++) sum(i, p, sums);
            gather(i, sums);
          }
        });
        return;
      }
      parallel_for(POSITIONS * items, schedule.threads, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) sum(i % items, i / items, du + i % items * SUMS);
      });
      if (start + count == l.all)
        parallel_for(items, schedule.threads, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; i++) gather(i, du + i * SUMS);
        });
    }
  }

  static constexpr int64_t SUMS = POSITIONS * (CHUNK * PANEL + MARGIN);

  // D = A dY A^T: [p][q][line][PANEL]. Beyond the map the gradient is zero.
  static void spread_gradients(const Layout& l, const float* dy, int64_t start, int64_t first,
                               int64_t last, int64_t tiles, const float* nothing, int64_t panel,
                               int64_t position, float* d) {
    for (int64_t plane = 0; plane < l.planes_out; plane++)
      for (int64_t tile = first; tile < last; tile++) {
        const float* from[OUTPUTS];
        outputs(l, dy, tile, plane, nothing, from);
        for (int64_t k = 0; k < l.s.filters; k += WIDTH) {
          float* to = d + k / PANEL * panel + (plane * tiles + tile - start) * PANEL + k % PANEL;
          const int some = static_cast<int>(std::min<int64_t>(WIDTH, l.s.filters - k));
          const auto give = [&](int i, Vec value)
                                __attribute__((always_inline)) { store(to + i * position, value); };
          if (some == WIDTH)
            nest<typename A0::Spread, typename A1::Spread, typename A2::Spread>(
                [&](int i) __attribute__((always_inline)) { return load(from[i] + k); }, give);
          else
            nest<typename A0::Spread, typename A1::Spread, typename A2::Spread>(
                [&](int i)
                    __attribute__((always_inline)) { return load_first(from[i] + k, some); },
                give);
        }
      }
  }

  // The gradient of one panel of U for one position, one tap and a chunk of channels:
  // [channel][PANEL].
  static INLINE void updates(const Layout& l, const float* v, const float* d, int64_t first,
                             int64_t tap, int64_t tiles, int64_t count, bool accumulate,
                             float* du) {
    const int64_t lines = tiles * l.planes_in;
    const int64_t last = std::min(first + CHUNK, l.s.channels);
    for (int64_t plane = 0; plane < l.planes_out; plane++) {
      const int64_t from = l.s.taps > 1 ? plane + tap - l.s.pad[0] : 0;
      const bool seen = from >= 0 && from < l.planes_in;
      if (!seen && (plane > 0 || accumulate)) continue;
      for (int64_t c = first; c < last; c += UPDATE_ROWS) {
        const float* in = v + c / WIDTH * lines * WIDTH + from * tiles * WIDTH + c % WIDTH;
        update_rows(std::min<int64_t>(UPDATE_ROWS, last - c), in, d + plane * tiles * PANEL,
                    seen ? count : 0, du + (c - first) * PANEL, accumulate || plane > 0);
      }
    }
  }

  template <class... Arguments>
  static INLINE void update_rows(int64_t rows, Arguments... arguments) {
    using Update = void (*)(Arguments...);
    static constexpr Update kernels[9] = {nullptr,   update<1>, update<2>, update<3>, update<4>,
                                          update<5>, update<6>, update<7>, update<8>};
    kernels[rows](arguments...);
  }

  // dg = G^T dU G for a chunk of channels.
  static void gather_weights(const Layout& l, const Kernel& k, const float* du, int64_t q,
                             int64_t tap, int64_t first, float* dw) {
    const Shape& s = l.s;
    const int filters = static_cast<int>(std::min<int64_t>(PANEL, s.filters - q * PANEL));
    const int64_t last = std::min(first + CHUNK, s.channels);
    alignas(64) float block[TAPS][RUN][PANEL];
    for (int64_t c = first; c < last; c += RUN) {
      const int run = static_cast<int>(std::min<int64_t>(RUN, last - c));
      for (int j = 0; j < run; j++)
        for (int half = 0; half < PANEL; half += WIDTH)
          nest<typename A0::Gather, typename A1::Gather, typename A2::Gather>(
              [&](int i) __attribute__((always_inline)) {
                return load(du + i * (SUMS / POSITIONS) + (c - first + j) * PANEL + half);
              },
              [&](int i, Vec value)
                  __attribute__((always_inline)) { store(block[i][j] + half, value); });
      float* to = first_weight(l, k, dw, q, tap, c);
      each_tap(k, [&](int i, int64_t offset) {
        write_block(k, block[i], run, filters, to + offset);
      });
    }
  }

  // call(i, offset) for the taps of the transformed axes.
  template <class Call>
  static INLINE void each_tap(const Kernel& k, Call call) {
    for (int a = 0, i = 0; a < A0::TAPS; a++)
      for (int b = 0; b < A1::TAPS; b++)
        for (int c = 0; c < A2::TAPS; c++, i++)
          call(i, a * k.tap_stride[0] + b * k.tap_stride[1] + c * k.tap_stride[2]);
  }
};
