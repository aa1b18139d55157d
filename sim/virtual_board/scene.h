// A scene: what the simulated detector shows, as the pairs of samples (reset, signal) that its pixels would hold.
//
// One format serves the file at start and the scene port: SCENE_MAGIC, n, rows, columns (32 bits each), then the samples,
// 16 bits each, [n][2][rows][columns] with the reset samples first; all numbers little endian.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

using Plane = std::vector<uint16_t>;

struct Scene {
    uint32_t images = 1;
    Plane samples = Plane(2 * ROWS * COLUMNS, 0);  // dark: every sample 0

    const uint16_t *reset(uint32_t image) const { return samples.data() + size_t(2) * image * ROWS * COLUMNS; }
    const uint16_t *signal(uint32_t image) const { return reset(image) + ROWS * COLUMNS; }
};

// What is wrong with a scene, in one sentence.
struct SceneError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Fills `bytes` from the file or socket; SceneError names `what` where they end early.
inline void read_exactly(int descriptor, void *destination, size_t bytes, const std::string &what) {
    auto *place = static_cast<char *>(destination);
    for (size_t done = 0; done < bytes;) {
        const ssize_t count = read(descriptor, place + done, bytes - done);
        if (count < 0)
            throw SceneError("the " + what + (errno == EAGAIN ? " did not come in time" : " could not be read: ") +
                             (errno == EAGAIN ? "" : strerror(errno)));
        if (count == 0)
            throw SceneError("the " + what + " ended after " + std::to_string(done) + " of " + std::to_string(bytes) +
                             " bytes");
        done += size_t(count);
    }
}

// Reads one scene. Throws SceneError for anything but a whole scene of this detector.
inline Scene read_scene(int descriptor) {
    uint32_t header[4];
    read_exactly(descriptor, header, sizeof header, "header of the scene");
    const auto [magic, images, rows, columns] = header;
    if (magic != SCENE_MAGIC) throw SceneError("this is no scene: it does not start with its magic number");
    if (rows != ROWS || columns != COLUMNS)
        throw SceneError("the scene has " + std::to_string(rows) + " rows of " + std::to_string(columns) +
                         " pixels, this board's detector " + std::to_string(ROWS) + " of " + std::to_string(COLUMNS));
    const uint64_t bytes = uint64_t(images) * 2 * ROWS * COLUMNS * sizeof(uint16_t);
    if (images == 0 || bytes > (uint64_t(1) << 31))
        throw SceneError("a scene has at least one image and at most 2 GiB of samples, not " +
                         std::to_string(images) + " images with " + std::to_string(bytes) + " bytes");
    Scene scene{images, Plane(bytes / sizeof(uint16_t))};
    read_exactly(descriptor, scene.samples.data(), bytes, "samples of the scene");
    for (const uint16_t sample : scene.samples)
        if (sample >> SAMPLE_BITS)
            throw SceneError("sample " + std::to_string(sample) + " is over the full scale of " +
                             std::to_string((1 << SAMPLE_BITS) - 1));
    return scene;
}
