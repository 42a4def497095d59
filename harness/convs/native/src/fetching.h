// What is brought near beside the products that come before it: nothing is computed with it yet.
#pragma once
#include "outputs.h"

// Memory that is read or written next.
struct Upcoming {
  const float* first = nullptr;
  int64_t floats = 0;

  // Shared out to `all` channels, `past` of which are done.
  INLINE Stream stream(int64_t past, int64_t all) const {
    const int64_t bytes = floats * int64_t{sizeof(float)};
    return {reinterpret_cast<const char*>(first) + bytes * past / all, blocks_of(bytes, all)};
  }
  INLINE Upcoming part(int64_t i, int64_t count) const {
    return {first + floats / count * i, floats / count};
  }
};

// What is fetched beside a product: weights, which are read at once, and maps.
struct Beside {
  Upcoming weights, maps;
  INLINE Beside part(int64_t i, int64_t count) const {
    return {weights.part(i, count), maps.part(i, count)};
  }
};

// The maps of the tiles after a block, in equal parts: the input, the output and the residual take
// turns, and in each the frames of a tile. Tiles are taken to go through a frame as its memory does;
// since a row of them holds several rows of the map, a further row is fetched ahead.
template <class Tile>
class Maps {
 public:
  Maps() = default;
  Maps(const Layout<Tile>& l, const float* x, const Output& out, Range tiles, int64_t parts) {
    const Shape& s = l.s;
    const int64_t first = tiles.first + l.tiles[2];
    if (tiles.size() == 0 || first >= l.all) return;
    const Place where = place(l, first);
    const int64_t frame_in = s.taps > 1 ? 0 : where.at[0] - s.pad[0];
    const auto add = [&](const float* map, const int64_t (&stride)[4], const int64_t (&length)[3],
                         int64_t frame, int64_t frames) {
      const int64_t rows = length[1];
      const bool apart = length[0] == 1 || stride[1] >= rows * stride[2];
      if (!apart || stride[2] < stride[3]) return;  // tiles go through memory in another order
      const int64_t row = where.at[1] / Tile::M[1] * l.tiles[2] + where.at[2] / Tile::M[2];
      const int64_t size = rows * stride[2], of = l.tiles[1] * l.tiles[2];
      const float* begin = map + where.n * stride[0] + frame * stride[1] + row * size / of;
      for (int64_t i = 0; i < frames && turns_ < MOST; i++)
        upcoming_[turns_++] = {begin + i * stride[1], tiles.size() * size / of};
    };
    if (l.far_inputs) add(x, s.in_stride, s.in, frame_in, l.planes_in);
    if (l.far_outputs) add(out.y, s.out_stride, s.out, where.at[0], l.planes_out);
    if (l.far_outputs && out.residual)
      add(out.residual, s.out_stride, s.out, where.at[0], l.planes_out);
    for (int i = 0; i < turns_; i++) upcoming_[i].floats = upcoming_[i].floats * turns_ / parts;
  }

  // The next part.
  INLINE Upcoming next() {
    if (turns_ == 0) return {};
    Upcoming& turn = upcoming_[turn_];
    const Upcoming part = turn;
    turn.first += turn.floats;
    if (++turn_ == turns_) turn_ = 0;
    return part;
  }

 private:
  static constexpr int MOST = 12;  // three maps of four frames
  Upcoming upcoming_[MOST];
  int turns_ = 0, turn_ = 0;
};
