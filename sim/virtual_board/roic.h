// The readout chip and its ADC, as the gateware's strobes see them.
//
// reset          the detector starts on scene image_id % n
// sample_reset   every pixel's reset sample is held
// sample_signal  every pixel's signal sample is held
// convert        the ADC gives both held samples of (row, column) ADC_LATENCY clocks later, for one clock
//
// A strobe that does not come leaves what was held before, and a port that is read in the wrong clock gives 0: a
// sequencer that is wrong shows as wrong data.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "scene.h"

class Roic {
    // The register in front of the core's inputs is one of the clocks.
    static constexpr size_t HELD_CLOCKS = ADC_LATENCY ? ADC_LATENCY - 1 : 0;

  public:
    struct Samples {
        uint16_t reset = 0, signal = 0;
    };

    uint64_t frames = 0;  // signal samples taken so far

    // The scene from the next reset strobe on.
    void show(Scene scene) {
        next_ = std::move(scene);
        new_scene_ = true;
    }

    // One clock: sees the strobes and returns what the ADC puts in front of the core's input register in this clock.
    Samples clock(bool reset, bool sample_reset, bool sample_signal, uint32_t image_id, bool convert, uint32_t row,
                  uint32_t column) {
        const unsigned strobes = unsigned(reset) | unsigned(sample_reset) << 1 | unsigned(sample_signal) << 2;
        if (strobes != strobes_) {
            begin(strobes & ~strobes_, image_id);
            strobes_ = strobes;
        }
        Samples now;
        if (convert && row < ROWS && column < COLUMNS) {
            const uint32_t pixel = row * COLUMNS + column;
            now = {held_reset_[pixel], held_signal_[pixel]};
        }
        if constexpr (HELD_CLOCKS == 0) return now;
        std::swap(now, delay_[phase_]);
        phase_ = phase_ + 1 == delay_.size() ? 0 : phase_ + 1;
        return now;
    }

  private:
    void begin(unsigned strobes, uint32_t image_id) {
        if (strobes & 1) {
            if (new_scene_) scene_ = std::move(next_);
            new_scene_ = false;
            image_ = image_id % scene_.images;
        }
        if (strobes & 2) std::copy_n(scene_.reset(image_), held_reset_.size(), held_reset_.begin());
        if (strobes & 4) {
            std::copy_n(scene_.signal(image_), held_signal_.size(), held_signal_.begin());
            ++frames;
        }
    }

    Scene scene_, next_;
    bool new_scene_ = false;
    uint32_t image_ = 0;
    unsigned strobes_ = 0;
    Plane held_reset_ = Plane(ROWS * COLUMNS, 0), held_signal_ = Plane(ROWS * COLUMNS, 0);
    std::array<Samples, HELD_CLOCKS ? HELD_CLOCKS : 1> delay_{};
    size_t phase_ = 0;
};
