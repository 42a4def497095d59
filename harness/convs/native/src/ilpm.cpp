// Direct convolution with one output channel a SIMD lane, as ILP-M has one a thread.
//
// Reference: Ji, "ILP-M Conv: Optimize Convolution Algorithm for Single-Image Convolution Neural
// Network Inference on Mobile GPUs", 2019, https://arxiv.org/abs/1909.02765
//
// What a work-group of the paper does is done here by a task: it copies the patch of the input that
// a band of output rows sees, without the padding that no tap needs, and keeps some neighbouring
// output pixels times two vectors of output channels in registers while channels and taps go by:
// one load of weights feeds many independent multiply-adds. There is no im2col buffer.
// Columns of the patch are sorted by their remainder modulo the stride, so that neighbouring
// outputs read neighbouring values whatever the stride is.
#include <array>
#include <vector>

#include "export.h"
#include "parallel.h"
#include "vector.h"

// Axes are frames, height, width; an image has one frame. Strides count floats.
struct IlpmShape {
  int64_t samples, channels, filters;
  int64_t in[3], out[3], kernel[3], stride[3], pad[3], dilation[3];
  int64_t in_stride[5], out_stride[5], weight_stride[5];
};

namespace {

constexpr int PANEL = 2 * WIDTH;  // output channels at a time
#if defined(__AVX512F__)
constexpr int PIXELS = 14;  // 28 of 32 registers accumulate; widths are often multiples of 7
#else
constexpr int PIXELS = 6;  // 12 of 16
#endif
constexpr int64_t PATCH = 32 << 10;    // floats of an input patch: half of a small second cache
constexpr int64_t SUMS = 16 << 10;     // of a panel of outputs
constexpr int64_t WEIGHTS = 4 << 10;   // of the weights in use: half of a first cache

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Tap {
  int64_t input, weight;
};

// sums[P][PANEL] += in[channel][tap + pixel] weights[channel][tap][PANEL], begun with `start`.
template <int P>
void accumulate(const float* in, int64_t in_channel, const float* weights, int64_t weight_channel,
                int64_t channels, const Tap* taps, int64_t count, const float* start, float* out) {
  Vec sums[P][2];
  for (int p = 0; p < P; p++)
    for (int v = 0; v < 2; v++)
      sums[p][v] = load(start ? start + v * WIDTH : out + p * PANEL + v * WIDTH);
  for (int64_t c = 0; c < channels; c++, in += in_channel, weights += weight_channel)
    for (const Tap* tap = taps; tap < taps + count; tap++) {
      const float* x = in + tap->input;
      const float* w = weights + tap->weight;
      const Vec w0 = load(w), w1 = load(w + WIDTH);
#pragma GCC unroll 16
      for (int p = 0; p < P; p++) {
        const Vec value = broadcast(x[p]);
        sums[p][0] += value * w0;
        sums[p][1] += value * w1;
      }
    }
  for (int p = 0; p < P; p++)
    for (int v = 0; v < 2; v++) store(out + p * PANEL + v * WIDTH, sums[p][v]);
}

template <int... P>
constexpr auto kernels_of(std::integer_sequence<int, P...>) {
  return std::array{accumulate<P + 1>...};
}
constexpr auto KERNELS = kernels_of(std::make_integer_sequence<int, PIXELS>{});

// One band of output rows of one frame of one sample.
class Band {
 public:
  explicit Band(const IlpmShape& s) : s_(s) {
    taps_ = s.kernel[0] * s.kernel[1] * s.kernel[2];
    phase_ = ceil_div((s.out[2] - 1) * s.stride[2] + reach(2), s.stride[2]);
    line_ = phase_ * s.stride[2];
    rows_ = 1;
    while (rows_ < s.out[1] && (rows_ + 1) * s.out[2] * PANEL <= SUMS &&
           s.channels * s.kernel[0] * rows_in(rows_ + 1) * line_ <= PATCH)
      rows_++;
    bands_ = ceil_div(s.out[1], rows_);
    rows_ = ceil_div(s.out[1], bands_);
    channel_ = s.kernel[0] * rows_in(rows_) * line_;
  }

  int64_t bands() const { return s_.samples * s_.out[0] * bands_; }
  int64_t floats() const { return s_.channels * channel_ + rows_ * s_.out[2] * PANEL; }

  // Choose the band, and copy what it sees of the input.
  void read(int64_t index, const float* x, float* memory) {
    first_ = index % bands_ * rows_;
    last_ = std::min(first_ + rows_, s_.out[1]);
    frame_ = index / bands_ % s_.out[0];
    sample_ = index / bands_ / s_.out[0];
    patch_ = memory;
    sums_ = memory + s_.channels * channel_;
    x += sample_ * s_.in_stride[0];
    for (int64_t c = 0; c < s_.channels; c++)
      for (int64_t a = 0; a < s_.kernel[0]; a++)
        for (int64_t row = 0; row < rows_in(last_ - first_); row++) {
          const int64_t t = input(0, frame_, a), h = first_ * s_.stride[1] - s_.pad[1] + row;
          if (within(0, t) && within(1, h))
            copy_line(x + c * s_.in_stride[1] + t * s_.in_stride[2] + h * s_.in_stride[3],
                      patch_ + c * channel_ + (a * rows_in(rows_) + row) * line_);
        }
    list_taps();
  }

  // One panel of output channels.
  void compute(int64_t panel, const float* packed, const float* bias, float* y) {
    const int64_t weight_channel = taps_ * PANEL;
    const int filters = static_cast<int>(std::min<int64_t>(PANEL, s_.filters - panel * PANEL));
    const float* weights = packed + panel * s_.channels * weight_channel;
    alignas(64) float start[PANEL] = {};
    if (bias) std::copy_n(bias + panel * PANEL, filters, start);
    const int64_t some = std::max<int64_t>(1, WEIGHTS / weight_channel);
    const int64_t tiles = ceil_div(s_.out[2], PIXELS);
    for (int64_t c = 0; c < s_.channels; c += some)
      for (int64_t row = first_; row < last_; row++)
        for (int64_t tile = 0; tile < tiles; tile++) {
          const int64_t begin = s_.out[2] * tile / tiles, end = s_.out[2] * (tile + 1) / tiles;
          const int64_t of_row = begins_[row - first_];
          KERNELS[end - begin - 1](
              patch_ + c * channel_ + begin, channel_, weights + c * weight_channel,
              weight_channel, std::min(some, s_.channels - c), list_.data() + of_row,
              begins_[row - first_ + 1] - of_row, c == 0 ? start : nullptr,
              sums_ + ((row - first_) * s_.out[2] + begin) * PANEL);
        }
    write(filters, y + sample_ * s_.out_stride[0] + panel * PANEL * s_.out_stride[1] +
                       frame_ * s_.out_stride[2] + first_ * s_.out_stride[3]);
  }

 private:
  int64_t reach(int axis) const { return (s_.kernel[axis] - 1) * s_.dilation[axis] + 1; }
  int64_t rows_in(int64_t rows) const { return (rows - 1) * s_.stride[1] + reach(1); }
  int64_t input(int axis, int64_t output, int64_t tap) const {
    return output * s_.stride[axis] - s_.pad[axis] + tap * s_.dilation[axis];
  }
  bool within(int axis, int64_t i) const { return i >= 0 && i < s_.in[axis]; }

  void copy_line(const float* from, float* to) const {
    const int64_t step = s_.in_stride[4];
    if (step == 1 && s_.stride[2] == 1) {
      to = std::fill_n(to, s_.pad[2], 0.0f);
      to = std::copy_n(from, s_.in[2], to);
      std::fill_n(to, s_.pad[2], 0.0f);
      return;
    }
    for (int64_t phase = 0; phase < s_.stride[2]; phase++)
      for (int64_t i = 0, w = phase - s_.pad[2]; i < phase_; i++, w += s_.stride[2])
        *to++ = within(2, w) ? from[w * step] : 0.0f;
  }

  // The taps of each row that meet the input: the others would add zeros.
  void list_taps() {
    list_.clear();
    begins_.assign(1, 0);
    for (int64_t row = first_; row < last_; row++) {
      for (int64_t a = 0; a < s_.kernel[0]; a++)
        for (int64_t b = 0; b < s_.kernel[1]; b++) {
          if (!within(0, input(0, frame_, a)) || !within(1, input(1, row, b))) continue;
          const int64_t below = (row - first_) * s_.stride[1] + b * s_.dilation[1];
          for (int64_t d = 0; d < s_.kernel[2]; d++) {
            const int64_t w = d * s_.dilation[2];
            list_.push_back({(a * rows_in(rows_) + below) * line_ + w % s_.stride[2] * phase_ +
                                 w / s_.stride[2],
                             ((a * s_.kernel[1] + b) * s_.kernel[2] + d) * PANEL});
          }
        }
      begins_.push_back(static_cast<int64_t>(list_.size()));
    }
  }

  void write(int filters, float* y) const {
    const float* from = sums_;
    for (int64_t row = 0; row < last_ - first_; row++, y += s_.out_stride[3])
      if (s_.out_stride[1] == 1)
        for (int64_t w = 0; w < s_.out[2]; w++, from += PANEL)
          std::copy_n(from, filters, y + w * s_.out_stride[4]);
      else {
        for (int f = 0; f < filters; f++)
          for (int64_t w = 0; w < s_.out[2]; w++)
            y[f * s_.out_stride[1] + w * s_.out_stride[4]] = from[w * PANEL + f];
        from += s_.out[2] * PANEL;
      }
  }

  const IlpmShape& s_;
  int64_t taps_, phase_, line_, rows_, bands_, channel_;
  int64_t first_ = 0, last_ = 0, frame_ = 0, sample_ = 0;
  float *patch_ = nullptr, *sums_ = nullptr;
  std::vector<Tap> list_;
  std::vector<int64_t> begins_;
};

}  // namespace

// The floats of the packed weights: [filters / PANEL][channels][taps][PANEL], rounded up.
EXPORT int64_t harness_ilpm_packed(const IlpmShape* s) {
  const int64_t taps = s->kernel[0] * s->kernel[1] * s->kernel[2];
  return ceil_div(s->filters, PANEL) * PANEL * s->channels * taps;
}

// This and the next return 1, or -1 if there is no memory.
EXPORT int harness_ilpm_pack(const IlpmShape* s, const float* weights, float* packed,
                             int threads) try {
  const int64_t taps = s->kernel[0] * s->kernel[1] * s->kernel[2];
  const int64_t* step = s->weight_stride;
  parallel_for(ceil_div(s->filters, PANEL), threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * s->channels; i < end * s->channels; i++) {
      const int64_t panel = i / s->channels, c = i % s->channels;
      float* to = packed + i * taps * PANEL;
      for (int64_t lane = 0; lane < PANEL; lane++) {
        const int64_t f = panel * PANEL + lane;
        const float* from = weights + f * step[0] + c * step[1];
        for (int64_t tap = 0; tap < taps; tap++) {
          const int64_t a = tap / s->kernel[2] / s->kernel[1], b = tap / s->kernel[2] % s->kernel[1],
                        d = tap % s->kernel[2];
          to[tap * PANEL + lane] =
              f < s->filters ? from[a * step[2] + b * step[3] + d * step[4]] : 0.0f;
        }
      }
    }
  });
  return 1;
} catch (const std::bad_alloc&) {
  return -1;
}

EXPORT int harness_ilpm_forward(const IlpmShape* s, const float* x, const float* packed,
                                const float* bias, float* y, int threads) try {
  const int64_t panels = ceil_div(s->filters, PANEL), bands = Band(*s).bands();
  if (bands == 0) return 1;
  // Where there are few bands, threads share one: each takes some of its panels.
  const int64_t parts = std::min(panels, bands < 2 * threads ? ceil_div(2 * threads, bands) : 1);
  parallel_for(bands * parts, threads, [&](int64_t begin, int64_t end) {
    static thread_local Scratch scratch;
    Band band(*s);
    float* memory = scratch.floats(band.floats());
    for (int64_t i = begin, there = -1; i < end; i++) {
      const int64_t part = i % parts;
      if (i / parts != there) band.read(there = i / parts, x, memory);
      for (int64_t q = panels * part / parts; q < panels * (part + 1) / parts; q++)
        band.compute(q, packed, bias, y);
    }
  });
  return 1;
} catch (const std::bad_alloc&) {
  return -1;
}
