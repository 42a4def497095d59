// A convolution of which all three axes are transformed: axis 0 for whole maps at first, then each
// of its positions is a convolution of the other two.
//
// For N0 positions of axis 0, n a tile of frames of a sample:
//   W[p0][n][row][column][channels]   = B^T x along axis 0
//   Z[p0][n][row][column][filters]    two axes, with the weights of positions p0 x N1 x N2
//   y                                 = A^T Z along axis 0, with bias, residual and ReLU
// Transforming three axes at once takes fewer passes over the maps. But there are so many positions
// that few tiles fill the second cache, and all weights are read again for each few.
#pragma once
#include "forward.h"

// Floats of W and Z that are at work at once, beside a single tile of frames: they stay in the last
// cache.
constexpr int64_t MAPS_AT_ONCE = 1 << 22;

template <class Tile>
class ByFrames {
  template <int M0, int M1, int M2>
  static ::Tile<1, M1, M2> flat(::Tile<M0, M1, M2>);
  using Flat = decltype(flat(Tile{}));
  static constexpr int M = Tile::M[0], N = Tile::N[0];

 public:
  ByFrames(const Layout<Tile>& l, const Schedule& schedule) : l_(l), s_(l.s), schedule_(schedule) {
    const int64_t of_one = N * (pixels_in() * s_.channels + pixels_out() * s_.filters);
    most_ = std::max<int64_t>(MAPS_AT_ONCE / of_one, 1);
  }

  void operator()(const float* x, const float* u, const Output& out) const {
    static thread_local Scratch for_w, for_z;
    const int64_t all = s_.batch * l_.tiles[0];
    for (int64_t first = 0; first < all; first += most_) {
      const Range some{first, std::min(first + most_, all)};
      float* w = for_w.floats(N * some.size() * pixels_in() * s_.channels);
      float* z = for_z.floats(N * some.size() * pixels_out() * s_.filters);
      transform_frames(some, x, w);
      convolve(some.size(), w, u, z);
      finish_frames(some, z, out);
    }
  }

 private:
  const Layout<Tile>& l_;
  const Shape& s_;
  const Schedule& schedule_;
  int64_t most_;  // tiles of frames at work at once

  int64_t pixels_in() const { return s_.in[1] * s_.in[2]; }
  int64_t pixels_out() const { return s_.out[1] * s_.out[2]; }

  // body(sample, the first frame, row, i) for the rows of the maps of some tiles of frames, i-th of
  // all; threads share them.
  template <class Body>
  void each_row(Range some, int64_t rows, const Body& body) const {
    parallel_for(some.size() * rows, schedule_.threads, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t tile = some.first + i / rows;
        body(tile / l_.tiles[0], tile % l_.tiles[0] * M, i % rows, i);
      }
    });
  }
  // body(channel, lanes) for the vectors of a pixel.
  template <class Body>
  static INLINE void each_vector(int64_t channels, const Body& body) {
    for (int64_t c = 0; c < channels; c += WIDTH)
      body(c, static_cast<int>(std::min<int64_t>(WIDTH, channels - c)));
  }
  static INLINE Vec load_some(const float* from, int lanes) {
    return lanes == WIDTH ? load(from) : load_first(from, lanes);
  }
  static INLINE void store_some(float* to, Vec value, int lanes) {
    if (lanes == WIDTH) store(to, value);
    else store_first(to, value, lanes);
  }

  void transform_frames(Range some, const float* x, float* w) const {
    const int64_t row_floats = s_.in[2] * s_.channels, map = some.size() * s_.in[1] * row_floats;
    each_row(some, s_.in[1], [&](int64_t n, int64_t frame, int64_t row, int64_t i) {
      float* to = w + i * row_floats;
      for (int64_t column = 0; column < s_.in[2]; column++, to += s_.channels) {
        const float* pixel = x + n * s_.in_stride[0] + row * s_.in_stride[2] +
                             column * s_.in_stride[3] + (frame - s_.pad[0]) * s_.in_stride[1];
        each_vector(s_.channels, [&](int64_t c, int lanes) __attribute__((always_inline)) {
          Vec in[N], out[N];
          for (int j = 0; j < N; j++) {
            const int64_t at = frame - s_.pad[0] + j;
            const bool seen = at >= 0 && at < s_.in[0];
            in[j] = seen ? load_some(pixel + j * s_.in_stride[1] + c, lanes) : Vec{};
          }
          Tile::A0::Data::map(in, out);
          for (int p = 0; p < N; p++) store_some(to + p * map + c, out[p], lanes);
        });
      }
    });
  }

  void convolve(int64_t maps, const float* w, const float* u, float* z) const {
    const int64_t c = s_.channels, k = s_.filters;
    const Shape flat{maps, {1, s_.in[1], s_.in[2]}, {1, s_.out[1], s_.out[2]},
                     {0, s_.pad[1], s_.pad[2]}, c, k,
                     {pixels_in() * c, pixels_in() * c, s_.in[2] * c, c},
                     {pixels_out() * k, pixels_out() * k, s_.out[2] * k, k}, 1};
    const Layout<Flat> l(flat, schedule_.tiles, Tile::POSITIONS);
    for (int p = 0; p < N; p++)
      by_schedule(l, schedule_, w + p * maps * pixels_in() * c, Weights{},
                  u + p * Flat::POSITIONS * l.u_position,
                  Output{z + p * maps * pixels_out() * k, nullptr, nullptr, false});
  }

  void finish_frames(Range some, const float* z, const Output& out) const {
    const int64_t row_floats = s_.out[2] * s_.filters, map = some.size() * s_.out[1] * row_floats;
    const Vec floor = out.relu ? Vec{} : broadcast(-__builtin_inff());
    each_row(some, s_.out[1], [&](int64_t n, int64_t frame, int64_t row, int64_t i) {
      const float* from = z + i * row_floats;
      const int64_t frames = std::min<int64_t>(M, s_.out[0] - frame);
      for (int64_t column = 0; column < s_.out[2]; column++, from += s_.filters) {
        const int64_t pixel = n * s_.out_stride[0] + row * s_.out_stride[2] +
                              column * s_.out_stride[3] + frame * s_.out_stride[1];
        each_vector(s_.filters, [&](int64_t c, int lanes) __attribute__((always_inline)) {
          Vec in[N], sums[M];
          for (int p = 0; p < N; p++) in[p] = load_some(from + p * map + c, lanes);
          Tile::A0::Inverse::map(in, sums);
          const Vec bias = out.bias ? load_some(out.bias + c, lanes) : Vec{};
          for (int64_t j = 0; j < frames; j++) {
            const int64_t at = pixel + j * s_.out_stride[1] + c;
            Vec value = sums[j] + bias;
            if (out.residual) value += load_some(out.residual + at, lanes);
            store_some(out.y + at, larger(floor, value), lanes);
          }
        });
      }
    });
  }
};

template <class Tile>
inline void forward(const Shape& s, const Schedule& schedule, const float* x,
                    const Weights& weights, const Output& out) {
  static thread_local Scratch for_u;
  constexpr bool three = Tile::M[0] > 1;
  const Layout<Tile> l(s, schedule.tiles);
  if (l.all == 0) return;
  const bool once = !three && schedule.by_panels && l.block == l.all;
  const float* u = weights.u;
  if (u == nullptr && !once) {
    float* all = for_u.floats(transformed_size(l));
    transform_weights(l, weights.kernel, weights.w, all, schedule.threads);
    u = all;
  }
  if constexpr (three) ByFrames<Tile>(l, schedule)(x, u, out);
  else by_schedule(l, schedule, x, weights, u, out);
}
